"""Benchmark of parking: deliveries and Redis commands per task that waits, against Celery's own ways of waiting.

400 tasks for one resource that allows 20 calls in two seconds, on two workers with eight threads each. The quota alone
takes 38 seconds; a way that is not done in 75 is stopped and shows how many tasks it did. Every way gets new workers.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import sys  # noqa: E402 - the settings of what follows are made by prepare()
import time  # noqa: E402

from celery import current_app  # noqa: E402

from bench.bench_parking.parking_jobs import APP, LIMIT, WINDOW_MS  # noqa: E402
from bench.processes.workers import redis_commands, until, workers  # noqa: E402
from integrations.highlevel.http.rate_headers import RateSnapshot  # noqa: E402
from integrations.quota.parking import queue  # noqa: E402
from integrations.quota.permits import governor, scripts  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402

TASKS, TIMEOUT = 400, 75.0
_COUNTING = ("incrby", "incr", "get")  # this benchmark's own commands; nothing else sends them
WAYS = {
    "parked": "parked, started with its ticket",
    "blocked": "a worker's thread blocked until the permit",
    "window": "retry(countdown=window)",
    "jitter": "retry(exponential, full jitter)",
    "hint": "retry(countdown=when a slot is free)",
}


def open_resource(way: str) -> None:
    """Make one call, so that the resource's limit is known, and wait for one window."""
    first = governor.acquire(APP, way, lane=Lane.BULK, timeout=5.0)
    rate = RateSnapshot(max=LIMIT, remaining=LIMIT - 1, interval_ms=WINDOW_MS)
    governor.settle(first, received_at=time.monotonic(), rate=rate)
    time.sleep(WINDOW_MS / 1000)


def send(way: str, number: int) -> None:
    """Enqueue one task that waits in this way."""
    if way == "parked":
        queue.enqueue("bench.parked", app=APP, resource=way, number=number)
    else:
        current_app.send_task(f"bench.{way}", kwargs={"number": number})


def counted(way: str, what: str) -> int:
    """A counter of the workers: done or delivered."""
    return int(scripts.client().get(f"bench:{way}:{what}") or 0)


def measure(way: str) -> str:
    """Run all tasks in one way. Returns its row of the table."""
    for what in ("done", "delivered"):
        scripts.client().delete(f"bench:{way}:{what}")
    with workers(2, threads=8, jobs="bench.bench_parking.parking_jobs", BENCH_WAY=way):
        open_resource(way)
        commands, started = redis_commands(_COUNTING), time.monotonic()
        for number in range(TASKS):
            send(way, number)
        until(lambda: counted(way, "done") >= TASKS, TIMEOUT)
        took, spent = time.monotonic() - started, redis_commands(_COUNTING) - commands
    current_app.control.purge()
    done = max(1, counted(way, "done"))
    each = f"{counted(way, 'delivered') / done:>11.2f}{spent / done:>16.1f}"
    return f"  {WAYS[way]:<44}{done:>5}{took:>8.1f} s{each}\n"


def main() -> None:
    """Measure every way."""
    sys.stdout.write(f"\n{TASKS} tasks of one resource, {LIMIT} calls in {WINDOW_MS / 1000:g} s\n")
    sys.stdout.write(f"  {'':<44}{'done':>5}{'in':>10}{'deliveries':>11}{'Redis commands':>16}\n")
    for way in WAYS:
        sys.stdout.write(measure(way))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
