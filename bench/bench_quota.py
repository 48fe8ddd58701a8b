"""Benchmark of permits: permits per second, against the bare Redis round trips that every permit needs.

A permit is two scripts: one grants it and one settles it. Resources take turns, so that each stays below its burst
limit and no call waits. Rounds are interleaved and the median counts. Last, with ten thousand resources in use, it
measures permits of a few of them and of all in turn, and the bytes that one resource takes.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import itertools  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
from collections.abc import Callable  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

from integrations.core import clock  # noqa: E402
from integrations.highlevel.http.rate_headers import RateSnapshot  # noqa: E402
from integrations.quota.permits import governor, scripts  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402

ROUNDS, PER_ROUND, THREADS, RESOURCES, MANY, BATCH = 7, 400, 8, 40, 10_000, 25
APP, LIMIT = "66a0419a0dffa47fb5f8b22f-bench001", 1000
BARE = "bare: EVALSHA 'return 1', one round trip"

Work = Callable[[], object]
_names = itertools.count()


def opened(limit: int = LIMIT) -> str:
    """A new resource whose limit is known and that has spent nothing yet."""
    name = f"resource{next(_names)}"
    said = RateSnapshot(max=limit, remaining=limit - 1, daily_limit=200_000, daily_remaining=199_999)
    permit = governor.acquire(APP, name, lane=Lane.INTERACTIVE, timeout=5.0)
    governor.settle(permit, received_at=clock.monotonic(), rate=said)
    return name


def permits(names: list[str], *, settled: bool = True) -> Work:
    """Work that takes one permit, of one resource after the other, and settles it."""
    turn = itertools.cycle(names)

    def work() -> None:
        permit = governor.acquire(APP, next(turn), lane=Lane.INTERACTIVE, timeout=5.0, max_wait=0.0)
        if settled:
            said = RateSnapshot(max=LIMIT, remaining=LIMIT - 1, daily_limit=200_000, daily_remaining=150_000)
            governor.settle(permit, received_at=clock.monotonic(), rate=said)

    return work


def seconds(work: Work, threads: int = 1) -> float:
    """Wall seconds for one unit of work, `threads` of them at a time."""

    def some() -> None:
        for _ in range(PER_ROUND // threads):
            work()

    start = time.perf_counter()
    if threads == 1:
        some()
    else:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(some) for _ in range(threads)]:
                done.result()
    return (time.perf_counter() - start) / (PER_ROUND // threads * threads)


def rounds() -> dict[str, list[float]]:
    """Seconds per unit of work by row, one figure per round."""
    redis = scripts.client()
    bare = redis.register_script("return 1")
    redis.set("bench", "x")
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        names = [opened() for _ in range(RESOURCES)]
        works: dict[str, tuple[Work, int]] = {
            BARE: (bare, 1),
            "bare: GET": (lambda: redis.get("bench"), 1),
            f"bare EVALSHA from {THREADS} threads": (bare, THREADS),
            "permit granted": (permits(names, settled=False), 1),
            "permit granted and settled": (permits(names), 1),
            f"permit granted and settled, {THREADS} threads": (permits(names), THREADS),
        }
        for name, (work, threads) in works.items():
            found.setdefault(name, []).append(seconds(work, threads))
    return found


def batch(names: list[str]) -> Work:
    """Work that takes many permits of one resource at once."""
    turn = itertools.cycle(names)
    return lambda: governor.request_slots(
        f"{APP}:{next(turn)}", lane=Lane.INTERACTIVE, ttl=15.0, horizon=0.0, want=BATCH
    )


def many() -> None:
    """Measure memory and speed with ten thousand resources of a hundred slots, half of them taken."""
    tracemalloc.start()
    names = [opened(100) for _ in range(MANY)]
    for name in names:
        governor.request_slots(f"{APP}:{name}", lane=Lane.INTERACTIVE, ttl=15.0, horizon=0.0, want=50)
    governor.send_reports()
    here = tracemalloc.Filter(inclusive=True, filename_pattern=str(Path(governor.__file__).with_name("*")))
    ours = tracemalloc.take_snapshot().filter_traces([here])
    tracemalloc.stop()
    in_process = sum(trace.size for trace in ours.statistics("filename")) / MANY
    keys = [key for name in names[::100] for key in scripts.keys(f"{APP}:{name}")]
    in_store = sum(int(scripts.client().memory_usage(key) or 0) for key in keys) / (MANY / 100)
    found: dict[str, list[float]] = {}
    fresh = iter(names)
    few, all_in_turn = f"a permit of one in {RESOURCES} resources", f"a permit of one in {MANY:,} resources"
    for _ in range(ROUNDS):
        for name, those in ((few, RESOURCES), (all_in_turn, PER_ROUND)):
            found.setdefault(name, []).append(seconds(permits(list(itertools.islice(fresh, those)), settled=False)))
    found[f"{BATCH} permits at once, each"] = [seconds(batch(names[-2 * PER_ROUND :])) / BATCH]
    rows = [(name, statistics.median(times) * 1e6, "us") for name, times in found.items()]
    table(f"{MANY:,} resources, {in_store:,.0f} bytes each, and {in_process:,.0f} in the process", rows, base=few)


def main() -> None:
    """Measure, and print the tables."""
    scripts.clear()
    found = {name: statistics.median(times) for name, times in rounds().items()}
    table("Microseconds", [(name, each * 1e6, "us") for name, each in found.items()], base=BARE)
    table("Per second", [(name, 1 / each, "per second") for name, each in found.items()], base=BARE)
    scripts.clear()
    many()
    scripts.clear()


if __name__ == "__main__":
    main()
