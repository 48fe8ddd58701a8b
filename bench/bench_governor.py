"""The governor beside other limiters, at a vendor that counts strictly: refused calls, and the part of the quota used.

Four worker processes call as fast as they are let; each limiter has a resource of its own on the same sandbox, and a
sandbox for each kind of window runs at the same time. A call's way takes 10 to 200 ms before it is counted and as much
after. Used is what was accepted after the first windows, beside what the limit physically allows in that time.

``--seconds`` measured (120), ``--warm-up`` before that (25, the learning and the first bursts).
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from dataclasses import asdict  # noqa: E402
from typing import get_args  # noqa: E402

from django.conf import settings  # noqa: E402

from bench.fleet import Errand  # noqa: E402
from bench.limiters import LIMIT, LIMITERS, WINDOW, Place  # noqa: E402
from integrations.quota import store  # noqa: E402
from integrations.sandbox.embedded import Embedded, serve_in_thread  # noqa: E402
from integrations.sandbox.installs import Install  # noqa: E402
from integrations.sandbox.options import Options, Window  # noqa: E402
from integrations.sandbox.tokens import Grant  # noqa: E402

PROCESSES, THREADS = 4, 4
FORTH_MS, BACK = (10.0, 200.0), (0.010, 0.200)
SCOPE = "locations.readonly"

Counts = dict[tuple[str, str], tuple[int, int]]


def vendor(window: Window) -> Options:
    return Options(
        port=0, locations=len(LIMITERS), contacts=1, window=window, limit=LIMIT, interval_ms=WINDOW * 1000,
        latency_ms=FORTH_MS,
    )  # fmt: skip


def errands(sandbox: Embedded, window: Window) -> Iterator[Errand]:
    """One location with the app installed, and its token, for each limiter."""
    platform = sandbox.platform
    assert platform is not None
    now, app = platform.clock.now(), platform.app.client_id
    for name, location in zip(LIMITERS, platform.world.locations.values(), strict=True):
        install = Install(location.company_id, location.id, "bench", (SCOPE,), int(now * 1000))
        token = platform.tokens.issue_access(Grant(app, platform.installs.add(install), (SCOPE,)), now)
        place = Place(f"{app}-{window}", location.id, settings.REDIS_URL, PROCESSES * THREADS)
        yield Errand(name, sandbox.url, f"/locations/{location.id}", token, place, BACK, THREADS)


@contextmanager
def fleet(jobs: list[Errand]) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.fleet"]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    try:
        for number, worker in enumerate(workers):
            assert worker.stdin is not None
            worker.stdin.write(json.dumps({"number": number, "errands": [asdict(job) for job in jobs]}) + "\n")
            worker.stdin.flush()
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def counts(sandboxes: dict[Window, Embedded], jobs: dict[Window, list[Errand]]) -> Counts:
    """(requests, refused) of each window and limiter so far."""
    found: Counts = {}
    for window, sandbox in sandboxes.items():
        assert sandbox.platform is not None
        for job in jobs[window]:
            bucket = sandbox.platform.quota.bucket(sandbox.platform.app.client_id, job.place.resource)
            found[window, job.limiter] = bucket.requests, bucket.rejected
    return found


def report(before: Counts, after: Counts, seconds: float) -> None:
    windows = get_args(Window)
    sys.stdout.write(
        f"\n{LIMIT} calls in {WINDOW} s, {PROCESSES} processes, {seconds:.0f} s: used, and calls refused\n"
    )
    sys.stdout.write(" " * 32 + "".join(f"{window:>22}" for window in windows) + "\n")
    for name in LIMITERS:
        cells = []
        for window in windows:
            accepted = [requests - refused for requests, refused in (before[window, name], after[window, name])]
            used = (accepted[1] - accepted[0]) / (LIMIT * seconds / WINDOW)
            cells.append(f"{used:>13.1%}{after[window, name][1]:>9}")
        sys.stdout.write(f"  {name:<30}{''.join(cells)}\n")
    refused = sum(after[window, "governor"][1] for window in windows)
    if refused:
        raise SystemExit(f"the vendor refused {refused} calls of the governor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--warm-up", type=float, default=25.0)
    arguments = parser.parse_args()
    store.client().flushdb()
    with ExitStack() as stack:
        sandboxes = {window: stack.enter_context(serve_in_thread(vendor(window))) for window in get_args(Window)}
        jobs = {window: list(errands(sandbox, window)) for window, sandbox in sandboxes.items()}
        stack.enter_context(fleet([job for each in jobs.values() for job in each]))
        time.sleep(arguments.warm_up)
        before, begun = counts(sandboxes, jobs), time.monotonic()
        time.sleep(arguments.seconds)
        report(before, counts(sandboxes, jobs), time.monotonic() - begun)
    store.clear()


if __name__ == "__main__":
    main()
