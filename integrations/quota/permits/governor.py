"""Governor: rate limiting by permits, as fast as a resource's quota allows, across all workers on all machines.

Limits belong to (app, resource). A permit is a slot that becomes free again one window after the response to its call
was received, which keeps any server's burst window below its limit without knowing where that window starts (QUOTA
section 2 has the proof). One HTTP attempt per permit: a retry asks again.

Without the store there are no new permits, for no lane. A share of its own for each worker cannot be safe: one that
does not reach the store cannot know that the others do not, and they would go on spending the whole quota. Permits in
hand stay good, reports wait, and the first answer after the outage goes on where it was, or fences a lost state.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from django.conf import settings

from integrations.core import clock
from integrations.core.errors import MissingPermit, NoPermit, StoreUnavailable
from integrations.core.tenant import quota_key
from integrations.quota.permits import process_memory, scripts, timings
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.quota.permits.replies import GrantedSlot, PermitReply
from integrations.quota.permits.reports import Report, ReportBuffer, StateKey, kept, packed
from integrations.quota.permits.spares import Spares

# Where learning starts (FACTS section 4): seconds, and calls. Some resources have 25 instead of 100; headers say which.
START_WINDOW, START_LIMIT = 10.0, 25
_MARGIN = 0.002  # two clocks may drift apart by a millisecond in a window
_LEAD = 0.05  # seconds before its start at which a permit that waited longer is checked again
_LONGEST_RESERVATION = 60.0  # no slot is reserved so many seconds ahead of its start
_MICRO = 1_000_000

log = structlog.get_logger(__name__)


class Rate(Protocol):
    """The rate headers of a response (FACTS section 4); each is None when it was missing or impossible."""

    @property
    def max(self) -> int | None:
        """Calls that the resource takes in one burst window."""

    @property
    def remaining(self) -> int | None:
        """Calls left in the burst window."""

    @property
    def interval_ms(self) -> int | None:
        """The length of the burst window in milliseconds."""

    @property
    def daily_limit(self) -> int | None:
        """Calls that the resource takes in the vendor's day."""

    @property
    def daily_remaining(self) -> int | None:
        """Calls left in the vendor's day."""

    @property
    def daily_reset_ms(self) -> int | None:
        """Milliseconds until the day budget is whole again."""


def acquire(app: str, resource: str, *, lane: Lane, timeout: float, max_wait: float | None = None) -> Permit:
    """A permit for one HTTP attempt that ends within `timeout` seconds.

    Waits at most `max_wait` seconds (the lane's horizon by default) for a slot that is about to be free. Raises
    NoPermit, whose `retry_after` is when to come back, and StoreUnavailable.
    """
    key, ttl = quota_key(app, resource), timeout + timings.REPORT_MARGIN
    spare = _spares.take(key, lane, ttl=ttl)
    if spare is not None:
        return spare
    until = clock.monotonic() + (lane.terms.horizon if max_wait is None else max_wait)
    while True:
        asked = clock.monotonic()
        request = SlotRequest(key, lane, 1, _spares.wanted(key, lane))
        answer = _request(request, ttl=ttl, horizon=max(0.0, until - asked))
        if answer.slots:
            more = [_permit(key, answer, slot, send_before=asked + timings.SEND_WITHIN) for slot in answer.slots[1:]]
            _spares.keep(key, lane, more, ttl=ttl, asked_at=asked)
            permit = _wait_for_start(key, answer, asked=asked, ttl=ttl)
            if permit is not None:
                return permit
            continue
        wait = answer.wait / _MICRO
        if clock.monotonic() + wait > until:
            # Not only for lack of a slot: pacing and the reserve of the lanes above delay a call sooner.
            why = ", its share of today's quota is used up" if answer.reason == "day" else ""
            raise NoPermit(
                f"the {lane.value} lane has to wait with calls to {resource}{why}",
                retry_after=wait,
                permit=MissingPermit(app, resource, lane.value, answer.reason),
            )
        clock.sleep(wait)


def _wait_for_start(key: str, answer: PermitReply, *, asked: float, ttl: float) -> Permit | None:
    """The answer's permit when its time has come; None if the store lost its state during a long wait."""
    granted = answer.slots[0]
    start, wait = answer.now + int(granted.delay), granted.delay / _MICRO
    deadline = granted.deadline
    if wait > timings.RECHECK_AFTER:
        clock.sleep(wait - _LEAD)
        asked = clock.monotonic()
        wait, renewed = redeem(key, (answer.epoch, granted.slot, granted.deadline, start), ttl=ttl)
        if renewed is None:
            return None
        deadline = renewed
    # Counted from the arrival of the answer: counted from the request, a slow Redis would make it too early.
    if wait:  # even a sleep of zero seconds costs as much as the request
        clock.sleep(wait)
    return Permit(key, answer.epoch, granted.slot, deadline, asked + wait + timings.SEND_WITHIN, start)


def _permit(key: str, answer: PermitReply, granted: GrantedSlot, *, send_before: float) -> Permit:
    return Permit(key, answer.epoch, granted.slot, granted.deadline, send_before, answer.now + int(granted.delay))


def redeem(key: str, reserved: tuple[str, int, int, int], *, ttl: float) -> tuple[float, int | None]:
    """Check that (epoch, slot, deadline, start) is still reserved.

    Returns the seconds until its start, and the deadline from now on, which is None when the reservation is lost.
    Raises StoreUnavailable.
    """
    answer = scripts.ticket(scripts.keys(key), "redeem", *reserved, int(START_WINDOW * _MICRO), int(ttl * _MICRO))
    wait = answer[0] / _MICRO
    # Void, or Redis' clock was set back: nothing is reserved so far ahead.
    return (wait, answer[1]) if 0 <= wait <= _LONGEST_RESERVATION else (0.0, None)


def settle(permit: Permit, *, received_at: float | None, rate: Rate | None, refused: bool = False) -> None:
    """Report a call's end: `received_at` is the monotonic moment of its response, or None when it was lost.

    A call whose fate is unknown may still be counted, so it counts as received a little later. `refused` says that
    the response was a 429. Never raises: a report that is lost costs a slot until its deadline, a raised one would cost
    the answer.
    """
    received = clock.monotonic() + timings.COUNTED_WITHIN if received_at is None else received_at
    reading = _readings(rate)
    report = Report(permit.slot, permit.deadline, received, permit.taken_at, permit.start, reading, refused)
    _reports.add((permit.key, permit.epoch), report)
    # Other processes should learn at once what changes the limits.
    is_news = process_memory.is_new_limit(permit.key, reading.get("max"))
    if refused or is_news:
        _return(_spares.leave(permit.key))
    if refused or not reading or is_news:
        _send_now(permit)


def release(permit: Permit) -> None:
    """Return a permit whose request never left: its slot is free at once."""
    _return([permit])
    _send_now(permit)


def send_reports() -> None:
    """Send all reports that this process has not sent. Raises StoreUnavailable."""
    _reports.flush()


def forget_spares() -> None:
    """Forget the spare permits: in a forked process they are the parent's."""
    _spares.forget()


def _return(permits: Sequence[Permit]) -> None:
    for permit in permits:
        report = Report(permit.slot, permit.deadline, None, permit.taken_at, permit.start)
        _reports.add((permit.key, permit.epoch), report)


def _return_old_spares() -> bool:
    """Report the spares that are too old; whether there are others, which are going to be."""
    _return(_spares.leave())
    return bool(_spares)


def _send_now(permit: Permit) -> None:
    try:
        _reports.flush_one((permit.key, permit.epoch))
    except StoreUnavailable as error:
        log.warning("quota.report_waits", key=permit.key, error=str(error))


def _send(state_key: StateKey, reports: list[Report]) -> None:
    key, epoch = state_key
    _warn_of_foreign_calls(key, scripts.run(scripts.keys(key), _script_arguments(epoch=epoch) | packed(reports)))


_spares = Spares()
_reports = kept(ReportBuffer(_send, before_flush=_return_old_spares))
os.register_at_fork(after_in_child=forget_spares)


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A request for up to `want` slots of one resource, for one lane, and up to `spare` more (`spares.py`)."""

    key: str
    lane: Lane
    want: int
    spare: int = 0


def request_slots(key: str, *, lane: Lane, ttl: float, horizon: float, want: int = 1) -> PermitReply:
    """Ask `permit.lua` for slots that are free within `horizon` seconds.

    Each is out for `ttl` seconds and a window unless it is reported. Raises StoreUnavailable.
    """
    return _request(SlotRequest(key, lane, want), ttl=ttl, horizon=horizon)


def _request(request: SlotRequest, *, ttl: float, horizon: float) -> PermitReply:
    (answer,) = request_slots_of_many([request], ttl=ttl, horizon=horizon)
    if isinstance(answer, StoreUnavailable):
        raise answer
    return answer


def request_slots_of_many(
    requests: Sequence[SlotRequest], *, ttl: float, horizon: float
) -> list[PermitReply | StoreUnavailable]:
    """As `request_slots`, for many resources in one round trip. A failure stands at the position of its request."""
    state_keys = [(request.key, process_memory.epoch(request.key)) for request in requests]
    reports = [_reports.take(state_key) for state_key in state_keys]
    calls = [
        (scripts.keys(key), _script_arguments(epoch=epoch) | packed(batch) | _wanted(request, ttl=ttl, horizon=horizon))
        for request, (key, epoch), batch in zip(requests, state_keys, reports, strict=True)
    ]
    answers = _run_all(calls)
    for state_key, batch, answer in zip(state_keys, reports, answers, strict=True):
        if isinstance(answer, StoreUnavailable):
            _reports.put_back(state_key, batch)
        else:
            process_memory.remember(state_key[0], answer.epoch, answer.now)
            _warn_of_foreign_calls(state_key[0], answer)
    return answers


def _run_all(calls: Sequence[tuple[Sequence[str], dict[str, Any]]]) -> list[PermitReply | StoreUnavailable]:
    """As `scripts.run_all`; where there is no state yet, the age of the store says whether it was lost."""
    answers = scripts.run_all(calls)
    missing = [index for index, answer in enumerate(answers) if isinstance(answer, PermitReply) and not answer.epoch]
    if missing:
        try:
            lost = {"lost": scripts.age() < START_WINDOW + timings.SLACK}
        except StoreUnavailable as error:
            made: list[PermitReply | StoreUnavailable] = [error] * len(missing)
        else:
            made = scripts.run_all([(calls[index][0], calls[index][1] | lost) for index in missing])
        for index, answer in zip(missing, made, strict=True):
            answers[index] = answer
    return answers


def _wanted(request: SlotRequest, *, ttl: float, horizon: float) -> dict[str, Any]:
    terms = request.lane.terms
    wanted = {
        "want": request.want,
        "ttl": int(ttl * _MICRO),
        "horizon": int(horizon * _MICRO),
        "credit": terms.credit,
        "reserve": terms.reserve,
        "day_share": terms.day_share,
        "day_floor": terms.day_floor,
        "interactive": request.lane is Lane.INTERACTIVE,
        "lane": request.lane.value,
        "spare": request.spare,
    }
    expected_now = process_memory.expected_now(request.key)
    return wanted if expected_now is None else wanted | {"expected_now": expected_now}


def send_forecasts(kept: Mapping[StateKey, dict[str, Any]]) -> None:
    """Send Redis the calls to keep of the day (`forecast.py`), each under the epoch of its state.

    A state that is gone learns nothing. Raises StoreUnavailable.
    """
    calls = [
        (scripts.keys(key), _script_arguments(epoch=epoch) | {"forecast": calls_kept})
        for (key, epoch), calls_kept in kept.items()
    ]
    for answer in scripts.run_all(calls):
        if isinstance(answer, StoreUnavailable):
            raise answer


def _warn_of_foreign_calls(key: str, answer: PermitReply) -> None:
    if answer.foreign and process_memory.has_to_warn(key):
        log.warning("quota.spent_by_others", key=key, calls_in_this_window=int(answer.foreign))


def _script_arguments(*, epoch: str) -> dict[str, Any]:
    return {
        "want": 0,
        "epoch": epoch,
        "start": START_LIMIT,
        "window": int(START_WINDOW * _MICRO),
        "slack": int(timings.SLACK * _MICRO),
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
