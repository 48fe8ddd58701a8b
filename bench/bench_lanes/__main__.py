"""Benchmark of lanes: how long interactive calls wait while twenty tenants are in bulk sync on two workers.

Five of the tenants get one interactive call a second. The same calls are made twice in one run, first without other
load. They come from a separate thread, as a web page's would, and as jobs through the queue. The vendor allows 25 calls
in ten seconds for each tenant, answers in 20 to 60 ms, and counts strictly. Every plan that ends is started again, so
there is bulk work all the time.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import statistics  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from django.db import connection  # noqa: E402

from bench.bench_lanes.lanes_jobs import CLICKS, call  # noqa: E402
from bench.processes.sandbox_process import counted, install, sandbox  # noqa: E402
from bench.processes.workers import workers  # noqa: E402
from integrations.core import clock  # noqa: E402
from integrations.core.errors import IntegrationError  # noqa: E402
from integrations.quota.models import Parked  # noqa: E402
from integrations.quota.parking import queue  # noqa: E402
from integrations.quota.permits import scripts, tickets  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402
from integrations.quota.permits.permit import Permit  # noqa: E402
from integrations.sandbox.options import Options  # noqa: E402
from integrations.sync import plans  # noqa: E402
from integrations.sync.models import Plan, Run  # noqa: E402
from integrations.tenants.models import App  # noqa: E402
from tests.plugin.vendor import REDIRECT, Vendor  # noqa: E402

TENANTS, WATCHED, PORT = 20, 5, 9177
IDLE, BUSY = 20.0, 60.0
OPTIONS = Options(
    port=PORT, locations=TENANTS, contacts=600, limit=25, latency_ms=(20.0, 60.0), redirect_uris=(REDIRECT,)
)


def click(app: App, locations: list[str], phase: str, seconds: float) -> list[float]:
    """Make one call a second for each location, and one job every five. Returns the calls' durations."""
    took: list[float] = []

    def one(location: str, offset: float) -> None:
        deadline, number = time.monotonic() + seconds, 0
        time.sleep(offset)
        while (asked := time.monotonic()) < deadline:
            try:
                call(app, location)
                took.append(time.monotonic() - asked)
            except IntegrationError as error:
                took.append(float("inf"))
                sys.stdout.write(f"  refused: {error}\n")
            if number % 5 == 0:
                ids = {"location": location, "phase": phase, "asked": time.monotonic()}
                queue.enqueue("bench.click", app=app.client_id, resource=location, lane=Lane.INTERACTIVE, **ids)
            number += 1
            time.sleep(max(0.0, asked + 1.0 - time.monotonic()))
        connection.close()

    threads = [threading.Thread(target=one, args=(name, place / 5)) for place, name in enumerate(locations)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def time_permits(spent: list[float]) -> None:
    """From now on append to `spent` how long each call of this process waits for its permit."""
    acquire = tickets.acquire

    def timed(app: str, resource: str, **asked: Any) -> Permit:
        started = time.monotonic()
        try:
            return acquire(app, resource, **asked)
        finally:
            spent.append(time.monotonic() - started)

    tickets.acquire = timed


def keep_hungry(stopping: threading.Event) -> None:
    """Start every plan again that is not running, once a second."""
    while not stopping.wait(1.0):
        plans.request_runs(Plan.objects.exclude(runs__status=Run.Status.RUNNING), clock.now(), full=True)
    connection.close()


def row(name: str, took: list[float]) -> str:
    """One row of the table: number, p50, p95 and maximum in milliseconds."""
    took = sorted(took) or [float("nan")]
    p50, p95 = statistics.median(took), took[int(0.95 * (len(took) - 1))]
    return f"  {name:<44}{len(took):>5}{p50 * 1000:>9.0f}{p95 * 1000:>9.0f}{took[-1] * 1000:>9.0f}\n"


def clicks(phase: str) -> list[float]:
    """How long the jobs of a phase took from request to end, in seconds."""
    return [float(number) for number in scripts.client().lrange(f"{CLICKS}:{phase}", 0, -1)]


def measure(vendor: Vendor) -> None:
    """Measure without load, then under bulk sync, and print the table."""
    app, locations = install(vendor)
    watched = locations[:WATCHED]
    permits: list[float] = []
    time_permits(permits)
    with workers(2, threads=16, jobs="bench.bench_lanes.lanes_jobs", beat=True):
        click(app, watched, "warm", 12.0)
        permits.clear()
        idle = click(app, watched, "idle", IDLE)
        idle_permits, permits[:] = list(permits), []
        for location in locations:
            plans.make(app.pk, location)
        stopping = threading.Event()
        feeder = threading.Thread(target=keep_hungry, args=(stopping,))
        feeder.start()
        time.sleep(15.0)
        before, _ = counted(vendor)
        busy = click(app, watched, "busy", BUSY)
        after, refused = counted(vendor)
        parked = Parked.objects.count()
        stopping.set()
        feeder.join()
    sys.stdout.write(f"\nInteractive calls on {WATCHED} of {TENANTS} tenants\n")
    sys.stdout.write(f"  {'':<44}{'n':>5}{'p50':>9}{'p95':>9}{'most':>9}  ms\n")
    sys.stdout.write(row("call, idle", idle) + row("call, all tenants in bulk sync", busy))
    sys.stdout.write(row("of it for the permit, idle", idle_permits) + row("of it for the permit, bulk sync", permits))
    sys.stdout.write(row("job, idle", clicks("idle")) + row("job, all tenants in bulk sync", clicks("busy")))
    rate = (after - before) / BUSY
    most = TENANTS * OPTIONS.limit / (OPTIONS.interval_ms / 1000)
    sys.stdout.write(
        f"  meanwhile {rate:.1f} calls/s of the {most:.0f}/s allowed, {refused} refused, {parked} parked\n"
    )


def main() -> None:
    """Start the vendor, and measure."""
    for phase in ("warm", "idle", "busy"):
        scripts.client().delete(f"{CLICKS}:{phase}")
    with sandbox(OPTIONS) as vendor:
        measure(vendor)


if __name__ == "__main__":
    main()
