"""Benchmark of a bulk install: the time until all locations of an agency are connected, against the quota's limit.

The vendor is the sandbox in a process of its own. One agency installs on all its locations: its list is read (a call
per 100 locations) and a token is minted for each (one call), all in the quota of the company. That quota sets the
shortest possible time, whatever the machine: the first `--limit` calls at once, then as many in each ten seconds.
The sync of the locations is left out. `--locations 5000 --limit 100` is the vendor's real quota and takes nine minutes;
without arguments a smaller agency under a larger quota is measured. Fails when a call was refused with 429, when it
took more than `MOST_TIMES` the shortest time, or when the workers' memory grew more than `MOST_GROWTH` times after the
first quarter.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import math  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from bench.bounds import Bounds  # noqa: E402
from bench.processes.sandbox_process import counted, sandbox  # noqa: E402
from bench.processes.workers import resident, workers  # noqa: E402
from integrations.core import clock  # noqa: E402
from integrations.installs import complete, queries  # noqa: E402
from integrations.sandbox.options import Options  # noqa: E402
from integrations.tenants.models import Installation  # noqa: E402
from tests.plugin.vendor import REDIRECT, Vendor, company_grant, make_app  # noqa: E402

PORT, WINDOW = 9178, 10.0
SCOPES = "oauth.readonly oauth.write locations.readonly"
PAGE = 100  # locations on a page of the list
WORKERS, THREADS = 2, 8
MOST_TIMES, MOST_GROWTH = 1.1, 1.25


def install(vendor: Vendor) -> Installation:
    """Create the app, and complete the agency's installation from its grant, as the callback does."""
    app = make_app(vendor)
    app.scopes = SCOPES
    app.save()
    grant = company_grant(vendor, app)
    return complete.complete(app, grant, origin="app", claimant="bench", now=clock.now())


def shortest(calls: int, limit: int) -> float:
    """Seconds that the quota needs for so many calls of one company: `limit` at once, then `limit` a window."""
    return (calls - limit) / limit * WINDOW


def connect(row: Installation, pids: list[int], locations: int) -> tuple[float, list[tuple[int, float]]]:
    """Wait until all are connected. Returns the seconds, and (connected, MiB) whenever another tenth was done."""
    started, steps = time.monotonic(), [(0, resident(pids))]
    while (done := queries.progress(row).connected) < locations:
        if done >= steps[-1][0] + locations / 10:
            steps.append((done, resident(pids)))
            sys.stdout.write(f"  {done:>7,} of {locations:,} connected after {time.monotonic() - started:6.1f} s\n")
            sys.stdout.flush()
        time.sleep(0.25)
    return time.monotonic() - started, [*steps, (locations, resident(pids))]


def measure(vendor: Vendor, options: Options) -> None:
    """Install, wait, and print the figures."""
    with workers(WORKERS, threads=THREADS, beat=True) as pids:
        row = install(vendor)
        took, steps = connect(row, pids, options.locations)
    calls, refused = counted(vendor)
    least = shortest(options.locations + math.ceil(options.locations / PAGE), options.limit)
    half = next(memory for done, memory in steps if done >= options.locations / 4)
    sys.stdout.write(f"\nBulk install of {options.locations:,} locations, {options.limit} calls in {WINDOW:.0f} s\n")
    sys.stdout.write(f"  {'shortest time by the quota':<44}{least:>10,.1f} s      1.00\n")
    sys.stdout.write(f"  {'all locations connected':<44}{took:>10,.1f} s  {took / least:>8.2f}\n")
    sys.stdout.write(f"  {'calls, of which refused with 429':<44}{calls:>10,}    {refused:>8,}\n")
    sys.stdout.write(
        f"  {'memory of the workers at a quarter, at the end':<46}{half:>8,.0f} MiB{steps[-1][1]:>8,.0f} MiB\n"
    )
    if Installation.objects.pending().exists():
        raise RuntimeError("locations are pending")
    bounds = Bounds()
    bounds.judge("the time of all locations in the shortest possible", took / least, MOST_TIMES)
    bounds.judge("the number of calls that were refused with 429", refused, 0)
    bounds.judge("memory at the end in that at a quarter", steps[-1][1] / half, MOST_GROWTH)
    bounds.finish()


def main() -> None:
    """Start the vendor, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=1_500)
    parser.add_argument("--limit", type=int, default=300, help="calls in ten seconds")
    chosen, _ = parser.parse_known_args()
    options = Options(port=PORT, locations=chosen.locations, contacts=0, limit=chosen.limit, redirect_uris=(REDIRECT,))
    with sandbox(options) as vendor:
        measure(vendor, options)


if __name__ == "__main__":
    main()
