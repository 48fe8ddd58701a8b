"""Benchmark of a first sync of contacts, against the quota's limit, and beside the Singer tap for HighLevel.

The vendor is the sandbox in a process of its own, under the vendor's real quota (100 calls in ten seconds for each
location). That quota sets the shortest possible time: the first 100 calls of a location at once, then as many in each
ten seconds. Two workers sync all locations. `--locations 20 --contacts 100000` copies two million contacts.

SINGER_TAP_PYTHON names an interpreter that has `oviond-tap-go-high-level`. It is run once for each location, one after
the other, as Singer does it; its records go to a pipe, so it stores nothing.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from bench.processes.sandbox_process import counted, install, sandbox  # noqa: E402
from bench.processes.workers import cpu, resident, until, workers  # noqa: E402
from integrations.sandbox.options import Options  # noqa: E402
from integrations.sync import plans  # noqa: E402
from integrations.sync.models import Plan, Record, Run  # noqa: E402
from integrations.tenants.models import App  # noqa: E402
from tests.plugin.vendor import REDIRECT, Vendor, location_grant  # noqa: E402

PORT, WINDOW, PATIENCE = 9179, 10.0, 7200.0
WORKERS, THREADS = 2, 8
RESOURCE = "contacts"

# Runs under the tap's interpreter. The tap's address is fixed in its code.
TAP_PROGRAM = """
import sys
from tap_go_high_level.client import GoHighLevelStream
from tap_go_high_level.tap import TapGoHighLevel
GoHighLevelStream.url_base = property(lambda self, url=sys.argv.pop(1): url)
TapGoHighLevel.cli()
"""


@dataclass
class Seen:
    """What one of the two did: records, requests, refusals with 429, seconds, and seconds of CPU time."""

    records: int
    requests: int
    refused: int
    seconds: float
    cpu: float


def sync(vendor: Vendor, locations: list[str], app: App) -> Seen:
    """Sync the contacts of all locations with workers; prints the memory on the way."""
    for location in locations:
        plans.make(app.pk, location)
    Plan.objects.exclude(resource=RESOURCE).delete()
    runs, before = Run.objects.filter(plan__resource=RESOURCE), counted(vendor)
    memory: list[float] = []
    with workers(WORKERS, threads=THREADS, beat=True) as pids:
        started, spent = time.monotonic(), cpu(pids)

        def is_done() -> bool:
            memory.append(resident(pids))
            time.sleep(0.4)
            return runs.exclude(status=Run.Status.RUNNING).count() == len(locations)

        if not until(is_done, PATIENCE):
            raise RuntimeError("the runs did not end")
        seconds, spent = time.monotonic() - started, cpu(pids) - spent
    failed = runs.exclude(status=Run.Status.COMPLETE).first()
    if failed is not None:
        raise RuntimeError(f"a run ended as {failed.status}: {failed.error}")
    at = [memory[len(memory) * part // 4] for part in (1, 2, 3)] + memory[-1:]
    sys.stdout.write(f"  memory at the quarters of the run: {', '.join(f'{size:,.0f}' for size in at)} MiB\n")
    after = counted(vendor)
    live = Record.objects.filter(resource=RESOURCE, deleted_at=None).count()
    return Seen(live, after[0] - before[0], after[1] - before[1], seconds, spent)


def tap(vendor: Vendor, locations: list[str], app: App, python: str) -> Seen:
    """Run the Singer tap for each location."""
    before, started, spent, records = counted(vendor), time.monotonic(), os.times(), 0
    for location in locations:
        token = location_grant(vendor, app, location).access_token.reveal()
        with tempfile.TemporaryDirectory(prefix="hlapp-tap-") as name:
            config, catalog = Path(name) / "config.json", Path(name) / "catalog.json"
            config.write_text(json.dumps({"auth_token": token, "location_id": location}))
            command = [python, "-c", TAP_PROGRAM, vendor.url, "--config", str(config)]
            found: dict[str, Any] = json.loads(subprocess.check_output([*command, "--discover"]))
            for stream in found["streams"]:
                for entry in stream["metadata"]:
                    entry["metadata"]["selected"] = stream["stream"].endswith(RESOURCE)
            catalog.write_text(json.dumps(found))
            out = subprocess.run([*command, "--catalog", str(catalog)], capture_output=True, check=False)
        ids = {line["record"]["id"] for line in map(json.loads, out.stdout.splitlines()) if line["type"] == "RECORD"}
        records += len(ids)
        if out.returncode:
            sys.stdout.write(f"  the tap ended with {out.returncode}: {out.stderr.decode()[-300:]}\n")
    after, ended = counted(vendor), os.times()
    used = ended.children_user + ended.children_system - spent.children_user - spent.children_system
    return Seen(records, after[0] - before[0], after[1] - before[1], time.monotonic() - started, used)


def line(name: str, seen: Seen, true: int, least: float) -> str:
    """One row of the table."""
    each = seen.cpu / max(seen.records, 1) * 1_000
    return (
        f"  {name:<22}{seen.records:>12,}{seen.records / true:>9.0%}{seen.requests:>10,}{seen.refused:>6,}"
        f"{seen.seconds:>10,.1f} s{seen.seconds / least:>8.2f}{each:>14.2f} s\n"
    )


def main() -> None:
    """Sync, run the tap where there is one, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=4)
    parser.add_argument("--contacts", type=int, default=20_000, help="of each location")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of each answer")
    chosen, _ = parser.parse_known_args()
    options = Options(
        port=PORT,
        locations=chosen.locations,
        contacts=chosen.contacts,
        latency_ms=(chosen.latency_ms, chosen.latency_ms),
        daily=1_000_000,
        redirect_uris=(REDIRECT,),
    )
    true = options.locations * options.contacts
    with sandbox(options) as vendor:
        app, locations = install(vendor)
        sys.stdout.write(f"\nFirst sync of {options.contacts:,} contacts of each of {options.locations} locations\n")
        ours = sync(vendor, locations, app)
        calls = -(-ours.requests // options.locations)
        least = max(calls - options.limit, 1) / options.limit * WINDOW
        head = f"{'records':>12}{'of all':>9}{'requests':>10}{'429':>6}{'time':>12}{'ratio':>8}{'CPU per 1,000':>16}"
        sys.stdout.write(f"  {'':<22}{head}\n  {'shortest by the quota':<59}{least:>10,.1f} s    1.00\n")
        sys.stdout.write(line("hlapp, two workers", ours, true, least))
        if python := os.environ.get("SINGER_TAP_PYTHON"):
            sys.stdout.write(line("Singer tap", tap(vendor, locations, app, python), true, least))
        else:
            sys.stdout.write("  Singer tap: not measured; SINGER_TAP_PYTHON names no interpreter that has it\n")
    if ours.refused or ours.records != true:
        raise RuntimeError("calls were refused, or the copy is not whole")


if __name__ == "__main__":
    main()
