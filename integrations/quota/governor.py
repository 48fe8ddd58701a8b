"""Permits: as fast as a resource's quota allows, and never faster, across every worker on every machine.

Limits belong to (app, resource). A permit is a slot that becomes free again one window after the response to its call
was received, which keeps any server's burst window below its limit without knowing where that window starts (the
proof is in `permit.lua`'s head). One HTTP attempt per permit: a retry asks again.

Without the store there are no new permits, for no lane. A share of its own for each worker cannot be safe: one that
does not reach the store cannot know that the others do not, and they would go on spending the whole quota. Permits in
hand stay good, reports wait, and the first answer after the outage goes on where it was, or fences a lost state.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from django.conf import settings

from integrations.core import clock
from integrations.core.errors import QuotaExhausted, StoreUnavailable
from integrations.quota import store
from integrations.quota.lanes import Lane
from integrations.quota.reports import Address, Outbox, Report, kept, packed

# Where learning starts (FACTS section 4): seconds, and calls. Some resources have 25 instead of 100; headers say which.
START_WINDOW, START_LIMIT = 10.0, 25
_SLACK = 1.5  # seconds after which a call that was in flight has been counted
_MARGIN = 0.002  # two clocks may drift apart by a millisecond in a window
PUNCTUAL = 5.0  # seconds by which a request may be sent late and still be counted before its slot's deadline
SPARE = 10.0
_UNCHECKED = 1.0  # seconds a permit may lie in hand: within the slack, so that a state lost meanwhile is fenced
_FORGOTTEN = 3600.0  # a resource not asked about for so long has no call of this process in flight
_MICRO = 1_000_000

log = structlog.get_logger(__name__)

_epochs: dict[str, tuple[str, float]] = {}
_epochs_lock = threading.Lock()
_limits: dict[str, int | None] = {}  # what this process has told of a resource's limit
_warned: dict[str, float] = {}


class Rate(Protocol):
    """What the five headers (and the sixth) of a response said; None where one was missing or absurd."""

    @property
    def max(self) -> int | None: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def interval_ms(self) -> int | None: ...
    @property
    def daily_limit(self) -> int | None: ...
    @property
    def daily_remaining(self) -> int | None: ...
    @property
    def daily_reset_ms(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one request to one resource, before `send_before` on the monotonic clock.

    `start` is when the store says it began, in its own microseconds; 0 when that is not known.
    """

    key: str
    epoch: str
    slot: int
    deadline: int
    send_before: float
    start: int = 0
    taken_at: float = field(default_factory=clock.monotonic)


def acquire(app: str, resource: str, *, lane: Lane, timeout: float, patience: float | None = None) -> Permit:
    """A permit for one HTTP attempt that ends within `timeout` seconds.

    Waits at most `patience` seconds (the lane's horizon by default) for a slot that is about to be free. Raises
    QuotaExhausted, whose `retry_after` is when to come back, and StoreUnavailable.
    """
    key = f"{app}:{resource}"
    until = clock.monotonic() + (lane.terms.horizon if patience is None else patience)
    while True:
        asked = clock.monotonic()
        answer = ask(key, lane=lane, ttl=timeout + SPARE, horizon=max(0.0, until - asked))
        if answer["grants"]:
            permit = _wait_for_start(key, answer, asked=asked, ttl=timeout + SPARE)
            if permit is not None:
                return permit
            continue
        wait = answer["wait"] / _MICRO
        if clock.monotonic() + wait > until:
            what = "today's quota is used up" if answer["reason"] == "day" else "no free slot"
            raise QuotaExhausted(
                f"{what} for {resource}",
                retry_after=wait,
                app=app,
                resource=resource,
                reason=answer["reason"],
                lane=lane.value,
            )
        clock.sleep(wait)


def _wait_for_start(key: str, answer: dict[str, Any], *, asked: float, ttl: float) -> Permit | None:
    """The answer's permit when its time has come; None if the store lost its state during a long wait."""
    slot, deadline, delay = answer["grants"][0]
    start = int(answer["now"]) + int(delay)
    # Counted from the answer's arrival: from the question's sending, a slow store would make it too early.
    if delay:  # sleeping for nothing costs as much as the question
        clock.sleep(delay / _MICRO)
    begun = asked + delay / _MICRO
    if delay / _MICRO > _UNCHECKED:
        begun = clock.monotonic()
        deadline = redeem(key, (answer["epoch"], int(slot), int(deadline), start), ttl=ttl)[1]
    if deadline is None:
        return None
    return Permit(key, answer["epoch"], int(slot), int(deadline), begun + PUNCTUAL, start)


def redeem(key: str, reserved: tuple[str, int, int, int], *, ttl: float) -> tuple[float, int | None]:
    """Whether (epoch, slot, deadline, start) is still reserved: the seconds until its start, and the deadline from now
    on, None when it is lost. Raises StoreUnavailable."""
    answer = store.ticket(store.keys(key), "redeem", *reserved, int(START_WINDOW * _MICRO), int(ttl * _MICRO))
    return (0.0, None) if answer[0] < 0 else (answer[0] / _MICRO, answer[1])


def settle(permit: Permit, *, received_at: float | None, rate: Rate | None, refused: bool = False) -> None:
    """Report a call's end: `received_at` is the monotonic moment of its response, or None when it was lost.

    A call whose fate is unknown may still be counted, so it counts as received a second from now. `refused` says that
    the response was a 429. Never raises: a report that is lost costs a slot until its deadline, a raised one would cost
    the answer.
    """
    received = clock.monotonic() + 1.0 if received_at is None else received_at
    reading = _readings(rate)
    report = Report(permit.slot, permit.deadline, received, permit.taken_at, permit.start, reading, refused)
    _outbox.add((permit.key, permit.epoch), report)
    # What changes the limits for everybody, the others should know at once.
    if refused or not reading or _limits.get(permit.key) != reading.get("max"):
        _limits[permit.key] = reading.get("max")
        _tell_now(permit)


def give_back(permit: Permit) -> None:
    """Return a permit whose request never left: its slot is free at once."""
    report = Report(permit.slot, permit.deadline, None, permit.taken_at, permit.start)
    _outbox.add((permit.key, permit.epoch), report)
    _tell_now(permit)


def tell() -> None:
    """Send all reports that wait in this process. Raises StoreUnavailable."""
    _outbox.flush()


def _tell_now(permit: Permit) -> None:
    try:
        _outbox.flush_one((permit.key, permit.epoch))
    except StoreUnavailable as error:
        log.warning("quota.report_waits", key=permit.key, error=str(error))


def _send(address: Address, reports: list[Report]) -> None:
    key, epoch = address
    _note(key, store.run(store.keys(key), _request(epoch=epoch) | packed(reports)))


_outbox = kept(Outbox(_send))


def ask(key: str, *, lane: Lane, ttl: float, horizon: float, want: int = 1) -> dict[str, Any]:
    """Up to `want` slots that are free within `horizon` seconds, each out for `ttl` seconds and a window unless
    reported: what `permit.lua` returns. Raises StoreUnavailable."""
    terms = lane.terms
    epoch = _known_epoch(key)
    reports = _outbox.take((key, epoch))
    request = _request(epoch=epoch) | packed(reports)
    request |= {
        "want": want,
        "ttl": int(ttl * _MICRO),
        "horizon": int(horizon * _MICRO),
        "credit": terms.credit,
        "reserve": terms.reserve,
        "day_share": terms.day_share,
        "day_floor": terms.day_floor,
        "interactive": lane is Lane.INTERACTIVE,
    }
    try:
        answer = store.run(store.keys(key), request)
    except StoreUnavailable:
        _outbox.put_back((key, epoch), reports)
        raise
    knows(key, answer["epoch"])
    _note(key, answer)
    return answer


def knows(key: str, epoch: str) -> None:
    """Remember that this process sends calls under `epoch`: should the store lose its state, it will say so."""
    with _epochs_lock:
        _epochs[key] = epoch, clock.monotonic()


def _note(key: str, answer: dict[str, Any]) -> None:
    """Say once an hour that somebody else spends the same quota."""
    others, now = answer["foreign"], clock.monotonic()
    if others and now - _warned.get(key, -_FORGOTTEN) >= _FORGOTTEN:
        _warned[key] = now
        log.warning("quota.spent_by_others", key=key, calls_in_this_window=int(others))


def _known_epoch(key: str) -> str:
    epoch, asked = _epochs.get(key, ("", 0.0))
    return epoch if clock.monotonic() - asked < _FORGOTTEN else ""


def _request(*, epoch: str) -> dict[str, Any]:
    return {
        "want": 0,
        "epoch": epoch,
        "start": START_LIMIT,
        "window": int(START_WINDOW * _MICRO),
        "slack": int(_SLACK * _MICRO),
        "margin": int(_MARGIN * _MICRO),
        "reserve": 0,
        "interactive": False,
        "learn": settings.QUOTA_LEARN_WINDOW,
        "reports": [],
        "rate": {},
    }


def _readings(rate: Rate | None) -> dict[str, int]:
    if rate is None:
        return {}
    reset = None if rate.daily_reset_ms is None else rate.daily_reset_ms * 1000
    readings = {
        "max": rate.max,
        "remaining": rate.remaining,
        "interval": None if rate.interval_ms is None else rate.interval_ms * 1000,
        "daily_limit": rate.daily_limit,
        "daily_remaining": rate.daily_remaining,
        "daily_reset": reset,
    }
    return {name: value for name, value in readings.items() if value is not None}
