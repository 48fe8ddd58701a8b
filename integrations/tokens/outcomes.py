"""What a failed refresh makes of its row: one closed table, read by `refresh` alone.

The class of the error decides (the vendor's bodies become classes in `highlevel.oauth_errors`), the first line that
knows it wins, and the last knows all. A grant is called dead by `GrantRevoked` only: calling a live one dead costs the
customer a new installation.

::

    what failed                        the row                      next try                        and
    our own queue or store is away     as it was                    when that says                  counts no failure
    the answer was lost                as it was, intent stands     in a second, for 30 seconds     then backoff
    the grant is dead                  needs reconnect              never                           audit
    the location is inactive           suspended, tokens kept       every six hours, or woken
    our client is refused              as it was                    in five minutes                 the app stops
    client or grant, nobody can tell   as it was                    every half hour                 audit
    a refusal in no table              as it was                    backoff                         audit, once an app
    the vendor's fault, its limit      as it was                    when it says, else backoff
    anything else                      as it was                    every six hours                 audit, once an app
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from integrations.core.errors import (
    ClientRejected,
    GrantRevoked,
    IntegrationError,
    LocationInactive,
    QuotaExhausted,
    RefreshInProgress,
    Retryable,
    StoreUnavailable,
    Unreachable,
    Untrusted,
)
from integrations.core.jobs import backoff
from integrations.highlevel.errors import UnknownRefusal
from integrations.tenants import marketplace
from integrations.tokens import lease
from integrations.tokens.models import Credential
from integrations.tokens.store import INACTIVE_RETRY

HALTED_RETRY = marketplace.PROBE_EVERY
LOST_ANSWER_RETRY = timedelta(seconds=1)
AMBIGUOUS_RETRY = timedelta(minutes=30)
_LONGEST_BACKOFF = 900.0

State = Credential.State


class Alert(Enum):
    """Whom a failure is told, beside the row and the log."""

    NONE = "none"
    EACH = "each"  # every credential: somebody has to do something about this one
    ONCE = "once"  # the first credential of an app: it is hardly this one's fault
    APP = "app"  # the app stops


@dataclass(frozen=True, slots=True)
class Outcome:
    """`wait` None: never again by itself. `lost`: the vendor may have acted, so the intent stands."""

    wait: timedelta | None
    state: str | None = None
    alert: Alert = Alert.NONE
    counts: bool = True
    lost: bool = False


def outcome(row: Credential, error: IntegrationError, *, now: datetime) -> Outcome:
    """The line of the table for this error, met while refreshing this (claimed) row."""
    return next(line(row, error, now) for fits, line in _TABLE if fits(error))


def is_lost_answer(error: IntegrationError) -> bool:
    """Whether the vendor may have rotated the refresh token without our getting the new one."""
    if isinstance(error, Unreachable):
        return error.context.get("sent") is not False
    return isinstance(error, Untrusted)  # a success that cannot be what it says


def _ours(_: Credential, error: IntegrationError, __: datetime) -> Outcome:
    asked = error.retry_after if isinstance(error, Retryable) else None
    return Outcome(timedelta(seconds=asked or backoff(0)) * random.uniform(1.0, 1.5), counts=False)  # noqa: S311


def _lost(row: Credential, error: IntegrationError, now: datetime) -> Outcome:
    if lease.in_grace(row, now):
        return Outcome(LOST_ANSWER_RETRY, lost=True)
    return _transient(row, error, now)


def _transient(row: Credential, error: IntegrationError, _: datetime) -> Outcome:
    asked = error.retry_after if isinstance(error, Retryable) else None
    seconds = backoff(row.failures, cap=_LONGEST_BACKOFF) if asked is None else asked
    alert = Alert.ONCE if isinstance(error, UnknownRefusal) else Alert.NONE
    return Outcome(timedelta(seconds=seconds), alert=alert)


def _client(_: Credential, error: IntegrationError, __: datetime) -> Outcome:
    if error.context.get("ambiguous"):
        return Outcome(AMBIGUOUS_RETRY * random.uniform(0.8, 1.2), alert=Alert.EACH)  # noqa: S311
    return Outcome(HALTED_RETRY, alert=Alert.APP)


def _slow(alert: Alert = Alert.NONE, state: str | None = None) -> Callable[..., Outcome]:
    return lambda *_: Outcome(INACTIVE_RETRY * random.uniform(0.8, 1.2), state, alert)  # noqa: S311


def _dead(*_: object) -> Outcome:
    return Outcome(None, State.NEEDS_RECONNECT, Alert.EACH)


def _is(*kinds: type[IntegrationError]) -> Callable[[IntegrationError], bool]:
    return lambda error: isinstance(error, kinds)


def _is_our_queue(error: IntegrationError) -> bool:
    """A permit, a lease or a store that we lack; a 429 of the vendor's carries its status."""
    kinds = RefreshInProgress, StoreUnavailable, QuotaExhausted
    return isinstance(error, kinds) and "status" not in error.context


_TABLE: tuple[tuple[Callable[[IntegrationError], bool], Callable[..., Outcome]], ...] = (
    (_is_our_queue, _ours),
    (is_lost_answer, _lost),
    (_is(GrantRevoked), _dead),
    (_is(LocationInactive), _slow(state=State.SUSPENDED)),
    (_is(ClientRejected), _client),
    (_is(Retryable), _transient),
    (_is(IntegrationError), _slow(alert=Alert.ONCE)),
)
