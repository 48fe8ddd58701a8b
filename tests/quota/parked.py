"""Parked tasks in this process: the leader's rounds by hand, and the messages it would have sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from integrations.core import clock
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.parking.hand_out import HandOut
from integrations.quota.parking.parked_rows import Claimed, ParkedRows
from integrations.quota.permits import governor, scripts
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.tickets import Ticket
from tests.support.waiting import wait_until

APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-parking1", "ve9EPM428h8vShlRW1KT"
KEY = f"{APP}:{RESOURCE}"


def park(number: int, lane: Lane = Lane.BULK, resource: str = RESOURCE) -> None:
    queue.enqueue("tests.spend", app=APP, resource=resource, lane=lane, number=number)


def opened(limit: int = 100, resource: str = RESOURCE, **rate: int) -> float:
    """The resource's limits are known, in windows of a second, and nothing is used up but for one call. The moment when
    that one was answered."""
    permit = governor.acquire(APP, resource, lane=Lane.BULK, timeout=5.0)
    said = RateSnapshot(**{"max": limit, "remaining": limit - 1, "interval_ms": 1000, **rate})
    received_at = clock.monotonic()
    governor.settle(permit, received_at=received_at, rate=said)
    # The first call was paced as one of 25 in ten seconds; that is over before any caller but a test could notice.
    scripts.client().hdel(scripts.keys(permit.key)[1], "tat")
    return received_at


@dataclass
class Leader:
    """A leader that does a round when the test says so. `sent` is what went to the workers, in order."""

    hand_out: HandOut
    sent: list[tuple[int, Claimed, Ticket]] = field(default_factory=list)

    def send(self, task: Claimed, ticket: Ticket) -> None:
        self.sent.append((task.kwargs["number"], task, ticket))

    def round(self, *resources: str) -> list[int]:
        """Ask for these resources now; the numbers of the tasks that were sent."""
        before = len(self.sent)
        for resource in resources or (RESOURCE,):
            self.hand_out.agenda.ask(f"{APP}:{resource}", clock.monotonic())
        self.hand_out.hand_out()
        self.hand_out.send_until(clock.monotonic() + 60)
        return [number for number, _, _ in self.sent[before:]]

    def until_all(self, count: int, *resources: str) -> list[int]:
        """Rounds at the leader's own appointments until so many tasks were sent."""
        for resource in resources or (RESOURCE,):
            self.hand_out.agenda.ask(f"{APP}:{resource}", clock.monotonic())

        def all_are_sent() -> bool:
            self.hand_out.hand_out()
            return len(self.sent) >= count

        wait_until(all_are_sent)
        return [number for number, _, _ in self.sent]


@contextmanager
def leading() -> Iterator[Leader]:
    rows = ParkedRows()
    try:
        leader = Leader(HandOut(rows))
        leader.hand_out._send = leader.send
        yield leader
    finally:
        rows.close()


def states() -> dict[int, str]:
    return {row.kwargs["number"]: row.state for row in Parked.objects.all()}


def message(sent: tuple[int, Claimed, Ticket]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Task, arguments and headers of the message that the leader would have sent."""
    _, task, ticket = sent
    return task.task, task.kwargs, {"parked": {"row": task.row_id, "turn": task.turn, "ticket": ticket.packed()}}
