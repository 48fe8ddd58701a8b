"""Chaos test of webhooks at full speed: `python -m bench.chaos_webhooks --deliveries 100000 --tenants 500 --seed 1`.

One tenant has 30 % of the traffic, a fifth of all deliveries are duplicates, and the stream is shuffled within a minute
of the vendor's time. A real gunicorn receives them and two real Celery workers handle them, while one worker is killed
again and again, the other is frozen, and PostgreSQL and Valkey are restarted. Fails when a distinct event has not
exactly one effect, when the copy differs from the truth in a field, or when a later event of a record was handled
before an earlier one that was stored already.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
from pathlib import Path

from bench.bounds import Bounds
from bench.chaos_webhooks.deployment import (
    THREADS,
    WORKERS,
    Deployment,
    Sender,
    all_handled,
    asked,
    deployed,
    faults,
    make,
    prepare_tenants,
    wait_for_web,
)

MOST_TIMES = 3.0  # the longest median delay of a tenant in shortest ones, if chance alone makes no more
MOST_GROWTH = 1.25  # memory of a process at the end, in what it had at the middle

Waits = list[tuple[str, int, float]]  # tenant, second of the receipt, seconds until the end of handling


def waits() -> Waits:
    """One row for each distinct event."""
    return asked(
        "SELECT payload->>'locationId', floor(extract(epoch FROM received_at))::bigint,"
        " extract(epoch FROM processed_at - received_at)::float FROM webhooks_event"
    )


def medians_of(rows: Waits) -> dict[str, float]:
    """Each tenant's median delay in seconds."""
    delays: dict[str, list[float]] = {}
    for tenant, _, delay in rows:
        delays.setdefault(tenant, []).append(delay)
    return {tenant: statistics.median(found) for tenant, found in delays.items()}


def spread(rows: Waits) -> float:
    """The longest median of a tenant divided by the shortest; the busy tenant counts."""
    medians = medians_of(rows).values()
    return max(medians) / min(medians)


def spread_by_chance(rows: Waits, dice: random.Random) -> float:
    """The spread if every tenant were treated alike: delays of one second are dealt anew to that second's events.

    A tenant has few events, and an outage delays all that arrive meanwhile. So medians differ even then.
    """
    dealt: list[float] = []
    for _ in range(9):
        delays: dict[int, list[float]] = {}
        for _, second, delay in rows:
            delays.setdefault(second, []).append(delay)
        for found in delays.values():
            dice.shuffle(found)
        dealt.append(spread([(tenant, second, delays[second].pop()) for tenant, second, _ in rows]))
    return statistics.median(dealt)


def report(deployment: Deployment, sender: Sender, seconds: tuple[float, float], deliveries: int) -> None:
    """Print the figures."""
    sending, draining = seconds
    rows = waits()
    medians = medians_of(rows)
    worst = sorted(delay for _, _, delay in rows)[int(len(rows) * 0.99)]
    busy, rest = medians.pop("busy"), sorted(medians.values())
    lines = [
        (
            f"{deliveries:,} deliveries in {sending:.0f} s ({deliveries / sending:,.0f} a second), answers"
            f" {dict(sender.answers)}; all handled {draining:.0f} s later"
        ),
        f"harm done: {dict(deployment.done)}",
        (
            f"median delay: busy tenant {busy:.2f} s; others {rest[0]:.2f} to {rest[-1]:.2f},"
            f" half below {statistics.median(rest):.2f}; 99 % of all events below {worst:.1f} s"
        ),
        f"the busy tenant's median is {busy / statistics.median(rest):.1f} times the middle one",
    ]
    for name, sizes in deployment.memory.items():
        at = [sizes[len(sizes) * part // 4] / 1e6 for part in (1, 2, 3)] + [sizes[-1] / 1e6]
        lines.append(f"memory of {name}: {', '.join(f'{size:.0f}' for size in at)} MB at the quarters of the run")
    sys.stdout.write("\n".join(lines) + "\n")


def judge(deployment: Deployment) -> Bounds:
    """Fairness between tenants, messages in the broker, and memory against what each may be.

    A tenant has few events, and an outage delays all that arrive meanwhile. So medians may differ as much as chance
    makes them, even if that is more than `MOST_TIMES`. The broker holds what the dispatcher lets it hold.
    """
    from integrations.core import dispatch  # noqa: PLC0415 - Django is set up by then

    rows, bounds = waits(), Bounds()
    by_chance = spread_by_chance(rows, random.Random(1))
    sys.stdout.write(f"if all tenants were treated alike, the longest median would be {by_chance:.2f} shortest ones\n")
    bounds.judge("the longest median delay in shortest ones", spread(rows), max(MOST_TIMES, by_chance))
    most = len(dispatch.SOURCES) * dispatch.PER_THREAD * THREADS * len(WORKERS)
    bounds.judge("the number of messages in the broker", max(deployment.depths, default=0), most)
    for name, sizes in deployment.memory.items():
        middle = sizes[len(sizes) // 2]
        bounds.judge(f"memory of {name} at the end in that at the middle", sizes[-1] / middle, MOST_GROWTH)
    return bounds


def main() -> None:
    """Send, harm, wait, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--tenants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--harm-every", type=float, default=10.0, help="seconds; 0: no harm")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for the backlog after the last delivery")
    given = parser.parse_args()
    dice = random.Random(given.seed)
    world = make(given.deliveries, given.tenants, dice)
    sender = Sender(world)
    with (
        tempfile.TemporaryDirectory(prefix="hlapp-chaos-") as name,
        deployed(Path(name)) as deployment,
    ):
        prepare_tenants(world)
        wait_for_web()
        harm = threading.Thread(target=deployment.chaos, args=(given.harm_every, dice))
        if given.harm_every:
            harm.start()
        try:
            sender.start()
            sending = deployment.watch_until(lambda: sender.done, given.patience)
            draining = deployment.watch_until(lambda: all_handled(world.distinct), given.patience)
        finally:
            deployment.ended.set()
            if given.harm_every:
                harm.join()
        deployment.supervisor.look()
        found = list(faults(world))
        report(deployment, sender, (sending, draining), given.deliveries)
        bounds = judge(deployment)
    for fault in found:
        sys.stdout.write(f"WRONG: {fault}\n")
    if found:
        sys.exit(1)
    bounds.finish()


if __name__ == "__main__":
    main()
