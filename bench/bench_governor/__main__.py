"""Benchmark of the governor against other limiters: calls refused by a strict vendor, and the part of the quota used.

Four worker processes call as fast as their limiter allows. Each limiter has its own resource on the same sandbox, and a
sandbox for each kind of window runs at the same time. A request takes 10 to 200 ms before it is counted, and its
response as much. Used: the calls accepted after the first windows, as a part of what the limit physically allows in
that time. The last row is the governor's own bound where windows slide: a slot rests one window after its response, so
the mean round trip limits its use.

``--seconds`` measured (120); ``--warm-up`` before that (45, for learning and the first bursts); ``--only governor``
runs one limiter alone; ``--threads`` (8) call for each limiter in each process.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from statistics import fmean  # noqa: E402
from typing import get_args  # noqa: E402

from django.conf import settings  # noqa: E402

from bench.bench_governor.fleet import Errand  # noqa: E402
from bench.bench_governor.limiters import LIMIT, LIMITERS, WINDOW, Place  # noqa: E402
from integrations.quota.permits import scripts  # noqa: E402
from integrations.sandbox.oauth.installs import Install  # noqa: E402
from integrations.sandbox.oauth.tokens import Grant  # noqa: E402
from integrations.sandbox.options import Options, Window  # noqa: E402
from integrations.sandbox.server.embedded import Embedded, serve_in_thread  # noqa: E402

PROCESSES = 4
FORTH_MS, BACK = (10.0, 200.0), (0.010, 0.200)
SCOPE = "locations.readonly"
PERIOD = 0.05  # seconds between two samples

Cell = tuple[str, str]  # window and limiter


@dataclass(frozen=True)
class Sample:
    """How many calls the vendor had accepted at a moment."""

    moment: float
    accepted: int


def vendor(window: Window) -> Options:
    """Options of a sandbox that counts by this kind of window."""
    return Options(
        port=0, locations=len(LIMITERS), contacts=1, window=window, limit=LIMIT, interval_ms=WINDOW * 1000,
        latency_ms=FORTH_MS,
    )  # fmt: skip


def errands(sandbox: Embedded, window: Window, names: list[str], threads: int) -> Iterator[Errand]:
    """One location with the app installed, and its token, for each limiter."""
    platform = sandbox.platform
    assert platform is not None
    now, app = platform.clock.now(), platform.app.client_id
    for name, location in zip(names, platform.world.locations.values(), strict=False):
        install = Install(location.company_id, location.id, "bench", (SCOPE,), int(now * 1000))
        token = platform.tokens.issue_access(Grant(app, platform.installs.add(install), (SCOPE,)), now)
        place = Place(f"{app}-{window}", location.id, settings.REDIS_URL, PROCESSES * threads)
        yield Errand(name, sandbox.url, f"/locations/{location.id}", token, place, BACK, threads)


@contextmanager
def fleet(jobs: list[Errand], trips: Counter[str]) -> Iterator[None]:
    """Run the worker processes. At the end `trips` has the number and the total seconds of the governor's calls."""
    command = [sys.executable, "-m", "bench.bench_governor.fleet"]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    try:
        for number, worker in enumerate(workers):
            assert worker.stdin is not None
            worker.stdin.write(json.dumps({"number": number, "errands": [asdict(job) for job in jobs]}) + "\n")
            worker.stdin.flush()
        yield
        for worker in workers:
            trips.update(json.loads(worker.communicate()[0])["governor"])
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def sample(sandbox: Embedded, job: Errand) -> Sample:
    """Count the accepted calls of one limiter now."""
    platform = sandbox.platform
    assert platform is not None
    bucket = platform.quota.bucket(platform.app.client_id, job.place.resource)
    return Sample(time.monotonic(), bucket.requests - bucket.rejected)


def used(samples: list[Sample]) -> float:
    """The part of the quota that was used, from the mean of the first window to that of the last.

    Without the means, a limiter that spends its window early would gain or lose by the moment at which measuring begins
    and ends.
    """
    count = round(WINDOW / (samples[-1].moment - samples[0].moment) * (len(samples) - 1))
    first, last = samples[:count], samples[-count:]
    calls = fmean(one.accepted for one in last) - fmean(one.accepted for one in first)
    seconds = fmean(one.moment for one in last) - fmean(one.moment for one in first)
    return calls / (LIMIT * seconds / WINDOW)


def refusals(sandbox: Embedded, job: Errand) -> int:
    """How many calls of one limiter the vendor refused."""
    assert sandbox.platform is not None
    return sandbox.platform.quota.bucket(sandbox.platform.app.client_id, job.place.resource).rejected


def report(found: dict[Cell, tuple[float, int]], trips: Counter[str]) -> None:
    """Print the table. Exits with an error when the vendor refused a call of the governor."""
    windows = get_args(Window)
    sys.stdout.write(f"\n{LIMIT} calls in {WINDOW} s, {PROCESSES} processes: used, and calls refused\n")
    sys.stdout.write(" " * 32 + "".join(f"{window:>22}" for window in windows) + "\n")
    for name in dict.fromkeys(name for _, name in found):
        cells = ("{:>13.2%}{:>9}".format(*found[window, name]) for window in windows)
        sys.stdout.write(f"  {name:<30}{''.join(cells)}\n")
    trip = trips["seconds"] / trips["calls"]
    sys.stdout.write(f"  a window and the mean round trip of {trip * 1000:.0f} ms: {WINDOW / (WINDOW + trip):.2%}\n")
    refused = sum(found[window, "governor"][1] for window in windows)
    if refused:
        raise SystemExit(f"the vendor refused {refused} calls of the governor")


def main() -> None:
    """Run all limiters, or the one of --only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--warm-up", type=float, default=45.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--only", choices=["governor"])
    arguments = parser.parse_args()
    names, trips = [arguments.only] if arguments.only else list(LIMITERS), Counter[str]()
    scripts.client().flushdb()
    scripts.clear()
    with ExitStack() as stack:
        sandboxes = {window: stack.enter_context(serve_in_thread(vendor(window))) for window in get_args(Window)}
        jobs = {
            window: list(errands(sandbox, window, names, arguments.threads)) for window, sandbox in sandboxes.items()
        }
        cells = {(window, job.limiter): (sandboxes[window], job) for window in jobs for job in jobs[window]}
        samples: dict[Cell, list[Sample]] = {cell: [] for cell in cells}
        with fleet([job for _, job in cells.values()], trips):
            time.sleep(arguments.warm_up)
            for _ in range(int(arguments.seconds / PERIOD)):
                for (window, name), (sandbox, job) in cells.items():
                    samples[window, name].append(sample(sandbox, job))
                time.sleep(PERIOD)
        found = {cell: (used(samples[cell]), refusals(*where)) for cell, where in cells.items()}
    report(found, trips)
    scripts.clear()


if __name__ == "__main__":
    main()
