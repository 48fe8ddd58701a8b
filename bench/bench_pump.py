"""Benchmark of sending parked tasks: one pass over 1,000 resources that all have more parked tasks than permits.

One pass serves every resource once. In the first pass each has one permit to hand out. In the others every slot is
taken, as in a busy hour. Messages are discarded: `bench_parking` measures the cost of a broker.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import math  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
import time  # noqa: E402

from django.db import connection  # noqa: E402

from bench.processes.workers import redis_commands  # noqa: E402
from integrations.highlevel.http.rate_headers import RateSnapshot  # noqa: E402
from integrations.quota.parking.hand_out import ROUND, HandOut  # noqa: E402
from integrations.quota.parking.parked_rows import ParkedRows  # noqa: E402
from integrations.quota.permits import governor, scripts  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402

RESOURCES, TASKS = 1000, 40
_PARK = """
INSERT INTO quota_parked (key, lane, task, kwargs, state, turn, reason, parked_at, place_at, due_at)
SELECT 'bench:' || resource, 'bulk', 'bench.nothing', jsonb_build_object('resource', resource, 'number', number),
       'waiting', 0, '', now(), now(), now()
FROM generate_series(1, %s) AS resource, generate_series(1, %s) AS number
"""


def saturate() -> None:
    """Make every resource's limit known, and park tasks for it."""
    scripts.clear()
    rate = RateSnapshot(max=2, remaining=1, interval_ms=60_000)
    for number in range(1, RESOURCES + 1):
        permit = governor.acquire("bench", str(number), lane=Lane.BULK, timeout=5.0)
        governor.settle(permit, received_at=time.monotonic(), rate=rate)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE quota_parked")
        cursor.execute(_PARK, [RESOURCES, TASKS])
        cursor.execute("ANALYZE quota_parked")


def one_pass(hand_out: HandOut) -> tuple[float, float, int]:
    """Run one pass. Returns wall seconds, CPU seconds of this process, and the number of Redis commands."""
    now = time.monotonic()
    for number in range(1, RESOURCES + 1):
        hand_out.agenda.ask(f"bench:{number}", now)
    commands, started, busy = redis_commands(), time.monotonic(), time.process_time()
    for _ in range(math.ceil(RESOURCES / ROUND)):
        hand_out.hand_out()
    return time.monotonic() - started, time.process_time() - busy, redis_commands() - commands


def main() -> None:
    """Measure the passes, and print the table."""
    saturate()
    rows = ParkedRows()
    rows.unstarted_count = lambda: 0  # type: ignore[method-assign]  # as if workers began every message at once
    hand_out = HandOut(rows, lambda task, ticket: None)
    sys.stdout.write(f"\n{RESOURCES} resources with {TASKS} parked tasks each, {ROUND} in a round\n")
    for name in ("one permit for each", "all slots taken", "all slots taken, again"):
        took, busy, commands = one_pass(hand_out)
        sys.stdout.write(f"  {name:<28}{took:>7.3f} s{busy:>8.3f} s of CPU{commands:>9,} Redis commands\n")
    rows.close()


if __name__ == "__main__":
    main()
