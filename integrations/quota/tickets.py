"""Tickets: permits that are reserved for parked tasks and travel with the message that starts them.

A ticket holds no secret and no time of anybody's clock but the store's, so it may be redeemed on another machine, late
or early. Redeeming asks the store, which is the round trip that asking for a permit would cost anyway, and buys three
things: a ticket is used once even if its message comes twice, none survives a loss of the store's state, and one that
nobody redeems blocks its slot for seconds instead of a call's whole lifetime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import structlog

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.quota import governor, store
from integrations.quota.governor import Permit
from integrations.quota.lanes import Lane

VALID = 5.0  # seconds, and a window, after its start in which a ticket can be redeemed
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

    def packed(self) -> list[Any]:
        """JSON for a message's header."""
        return [self.key, self.epoch, self.slot, self.deadline, self.start]


@dataclass(frozen=True, slots=True)
class Reserved:
    """`tickets` with the seconds until each may be used; `wait` until more are worth asking for, None when all came."""

    tickets: list[tuple[Ticket, float]]
    wait: float | None
    reason: str


@dataclass(slots=True)
class Hand:
    """What a running task holds. `used` says whether its ticket bought a call."""

    ticket: Ticket | None
    used: bool = False


_hand: ContextVar[Hand | None] = ContextVar("quota_hand", default=None)


def reserve(key: str, *, lane: Lane, want: int, horizon: float) -> Reserved:
    """Up to `want` tickets that start within `horizon` seconds. Raises StoreUnavailable."""
    answer = governor.ask(key, lane=lane, want=want, ttl=VALID, horizon=horizon)
    now, epoch = int(answer["now"]), answer["epoch"]
    tickets = [
        (Ticket(key, epoch, int(slot), int(deadline), now + int(delay)), delay / _MICRO)
        for slot, deadline, delay in answer["grants"]
    ]
    wait = None if len(tickets) == want else answer["wait"] / _MICRO
    return Reserved(tickets, wait, answer["reason"])


def acquire(app: str, resource: str, *, lane: Lane, timeout: float) -> Permit:
    """A permit for one HTTP attempt: the running task's own ticket if it fits, else one that is asked for.

    Raises what `governor.acquire` raises.
    """
    hand = _hand.get()
    if hand is not None and hand.ticket is not None and hand.ticket.key == f"{app}:{resource}":
        ticket, hand.ticket = hand.ticket, None
        permit = redeem(ticket, timeout=timeout)
        if permit is not None:
            hand.used = True
            return permit
        log.info("quota.ticket_void", key=ticket.key)
    return governor.acquire(app, resource, lane=lane, timeout=timeout)


def redeem(ticket: Ticket, *, timeout: float) -> Permit | None:
    """Turn the ticket into a permit, waiting for its start; None when it is used, lapsed or lost."""
    asked = clock.monotonic()
    answer = _run("redeem", ticket, ttl=timeout + governor.SPARE)
    if answer[0] < 0:
        return None
    delay, deadline = answer[0] / _MICRO, answer[1]
    governor.knows(ticket.key, ticket.epoch)
    clock.sleep(delay)
    return Permit(ticket.key, ticket.epoch, ticket.slot, deadline, asked + delay + governor.PUNCTUAL, ticket.start)


def release(ticket: Ticket) -> None:
    """Give an unused ticket back. Never raises: a lost one comes back by its deadline."""
    try:
        _run("release", ticket, ttl=0.0)
    except StoreUnavailable as error:
        log.warning("quota.ticket_not_released", key=ticket.key, error=str(error))


@contextmanager
def held(packed: list[Any] | None) -> Iterator[Hand]:
    """The task that runs inside uses this ticket for its next call; what is unused at the end goes back."""
    hand = Hand(Ticket(*packed) if packed else None)
    token = _hand.set(hand)
    try:
        yield hand
    finally:
        _hand.reset(token)
        if hand.ticket is not None:
            release(hand.ticket)


def keeps_place() -> bool:
    """Whether the running task came with a ticket that bought nothing, so that it goes back to where it stood."""
    hand = _hand.get()
    return hand is not None and not hand.used


def of(headers: Mapping[str, Any]) -> list[Any] | None:
    """The packed ticket in a message's `parked` header."""
    return (headers.get("parked") or {}).get("ticket")


def _run(operation: str, ticket: Ticket, *, ttl: float) -> list[int]:
    window = int(governor.START_WINDOW * _MICRO)
    numbers = (ticket.slot, ticket.deadline, ticket.start, window, int(ttl * _MICRO))
    return store.ticket(store.keys(ticket.key), operation, ticket.epoch, *numbers)
