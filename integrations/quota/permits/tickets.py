"""`acquire`: a permit for any call, from the ticket of the task that runs, or from the governor.

Tickets are permits that are reserved for parked tasks and travel with the message that starts them.
A ticket holds no secret, and no time but that of Redis' clock, so it may be redeemed on another machine, late or
early. Redeeming asks Redis, which is the round trip that asking for a permit would cost anyway, and buys three things.
A ticket is used once even if its message comes twice. None survives a loss of the state in Redis. One that no task
redeems blocks its slot for seconds instead of a call's whole lifetime.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog

from integrations.core import clock
from integrations.core.errors import MissingPermit, StoreUnavailable
from integrations.core.tenant import quota_key
from integrations.quota.permits import governor, process_memory, scripts, timings
from integrations.quota.permits.governor import SlotRequest
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.quota.permits.replies import PermitReply

_AWAY = 2.0  # seconds until the store is worth asking again
_MICRO = 1_000_000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One reserved slot. `start` and `deadline` are the store's microseconds since the birth of its state."""

    key: str
    epoch: str
    slot: int
    deadline: int
    start: int

    @property
    def valid(self) -> float:
        """Seconds after its start in which it can be redeemed."""
        return (self.deadline - self.start) / _MICRO

    @property
    def reserved(self) -> tuple[str, int, int, int]:
        """The reservation as `ticket.lua` takes it."""
        return self.epoch, self.slot, self.deadline, self.start

    def packed(self) -> list[Any]:
        """JSON for a message's header."""
        return [self.key, self.epoch, self.slot, self.deadline, self.start]


@dataclass(frozen=True, slots=True)
class Reserved:
    """Reply to one request: `tickets` with the seconds until each may be used.

    `wait` is the time until more are worth asking for, None when all came. `trouble` says why Redis did not answer.
    """

    tickets: list[tuple[Ticket, float]]
    wait: float | None
    trouble: str = ""


@dataclass(slots=True)
class CarriedTicket:
    """The ticket of a running task. `used` says whether it paid for a call."""

    ticket: Ticket | None
    used: bool = False


_carried: ContextVar[CarriedTicket | None] = ContextVar("quota_hand", default=None)


def reserve(requests: Sequence[SlotRequest], *, horizon: float) -> list[Reserved]:
    """Tickets that start within `horizon` seconds, for all requests in one round trip.

    Each request gets as many as it wants or as there are.
    """
    answers = governor.request_slots_of_many(requests, ttl=timings.TICKET_VALID, horizon=horizon)
    return [_reserved(*pair) for pair in zip(requests, answers, strict=True)]


def _reserved(request: SlotRequest, answer: PermitReply | StoreUnavailable) -> Reserved:
    if isinstance(answer, StoreUnavailable):
        return Reserved([], answer.retry_after or _AWAY, str(answer))
    tickets = [
        (Ticket(request.key, answer.epoch, one.slot, one.deadline, answer.now + int(one.delay)), one.delay / _MICRO)
        for one in answer.slots
    ]
    wait = None if len(tickets) == request.want else answer.wait / _MICRO
    return Reserved(tickets, wait)


def acquire(app: str, resource: str, *, lane: Lane, timeout: float, max_wait: float | None = None) -> Permit:
    """A permit for one HTTP attempt: the running task's own ticket if it fits, else one that is asked for.

    Raises what `governor.acquire` raises; either error names the resource, so that the task can be parked.
    """
    try:
        own = _own(app, resource, timeout=timeout)
        return own or governor.acquire(app, resource, lane=lane, timeout=timeout, max_wait=max_wait)
    except StoreUnavailable as error:
        error.permit = MissingPermit(app, resource, lane.value, "store")
        raise


def _own(app: str, resource: str, *, timeout: float) -> Permit | None:
    carried = _carried.get()
    if carried is not None and carried.ticket is not None and carried.ticket.key == quota_key(app, resource):
        ticket, carried.ticket = carried.ticket, None
        permit = redeem(ticket, timeout=timeout)
        if permit is not None:
            carried.used = True
            return permit
        log.info("quota.ticket_void", key=ticket.key)
    return None


def redeem(ticket: Ticket, *, timeout: float) -> Permit | None:
    """Turn the ticket into a permit, waiting for its start; None when it is used, lapsed or lost."""
    asked = clock.monotonic()
    delay, deadline = governor.redeem(ticket.key, ticket.reserved, ttl=timeout + timings.REPORT_MARGIN)
    if deadline is None:
        return None
    process_memory.remember(ticket.key, ticket.epoch)
    clock.sleep(delay)
    return Permit(ticket.key, ticket.epoch, ticket.slot, deadline, asked + delay + timings.SEND_WITHIN, ticket.start)


def release(ticket: Ticket) -> None:
    """Give an unused ticket back. Never raises: the slot of a lost ticket is free at its deadline."""
    try:
        scripts.ticket(scripts.keys(ticket.key), "release", *ticket.reserved, 0, 0)
    except StoreUnavailable as error:
        log.warning("quota.ticket_not_released", key=ticket.key, error=str(error))


@contextmanager
def carried(packed: list[Any] | None) -> Iterator[CarriedTicket]:
    """Context in which the running task uses this ticket for its next call. At the end an unused ticket is released."""
    carried = CarriedTicket(Ticket(*packed) if packed else None)
    token = _carried.set(carried)
    try:
        yield carried
    finally:
        _carried.reset(token)
        if carried.ticket is not None:
            release(carried.ticket)


def keeps_position() -> bool:
    """Whether the running task had a ticket that paid for no call, so that it keeps its position in the queue."""
    carried = _carried.get()
    return carried is not None and not carried.used
