"""Outcomes of failed refreshes: one closed table from error class to state, next try and alert.

The class of the error decides (`highlevel.oauth.oauth_errors` maps the vendor's bodies to classes). The first
row of the table that matches wins, and the last one matches every error. Only `GrantRevoked` declares a grant
dead: declaring a live one dead costs the customer a new installation.

An answer is lost when the vendor may have rotated the token and we have no new pair: no response, a 5xx (perhaps from a
proxy, for a call that went through), or an invalid success. The same refresh token is then sent again within the 30
seconds of grace, but sparingly: the one measurement there is (FACTS 1.4) saw its third use refused, so repeats in quick
succession would all fall into the outage that lost the first answer.

::

    what failed                        the row                      next try                        and
    our queue or store is unavailable  as it was                    when that says                  counts no failure
    the answer was lost                as it was, intent stands     8 and 20 s after the intent     then backoff
    the grant is dead                  needs reconnect              never                           audit
    and its company may mint none      needs reconnect              every six hours                 audit
    the location is inactive           suspended, tokens kept       six hours, or a sign of life
    our client is refused              as it was                    in five minutes                 the app stops
    client or grant, ambiguous         as it was                    every half hour                 audit
    a refusal in no table              as it was                    backoff                         audit, once an app
    the vendor's fault, its limit      as it was                    when it says, else backoff
    anything else                      as it was                    every six hours                 audit, once an app

A `Retryable` error during the repeat of a lost answer keeps the intent, whatever the table says. The next attempt is
when the error says or in two seconds, but inside the grace: the vendor can still return the lost answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from integrations.core.celery_tasks import backoff
from integrations.core.errors import (
    ClientOrGrantRejected,
    ClientRejected,
    GrantRevoked,
    IntegrationError,
    LocationInactive,
    MintRefused,
    NoPermit,
    RefreshInProgress,
    Retryable,
    ServerFault,
    StoreUnavailable,
    Unreachable,
    Untrusted,
)
from integrations.highlevel.errors import UnknownRefusal
from integrations.tenants import marketplace
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease
from integrations.tokens.store import INACTIVE_RETRY

HALTED_RETRY = marketplace.PROBE_EVERY
GRACE = timedelta(seconds=30)  # within which the vendor answers the same refresh token with the same pair (FACTS 1.4)
REPEATS = timedelta(seconds=8), timedelta(seconds=20)  # after the first intent
_UNSENT_RETRY = timedelta(seconds=2)
_LATEST = GRACE - timedelta(seconds=4)  # after the intent: an attempt due then still happens within the grace
AMBIGUOUS_RETRY = timedelta(minutes=30)
_LONGEST_BACKOFF = 900.0

State = Credential.State


class Alert(Enum):
    """Which audit entries a failure writes, beside the row and the log."""

    NONE = "none"
    EACH = "each"  # every credential: an operator or customer has to act on this one
    ONCE = "once"  # the first credential of an app: the cause is hardly this one
    APP = "app"  # the app is halted


@dataclass(frozen=True, slots=True)
class FailureOutcome:
    """Effect of a failure. `wait` None: no automatic retry. `lost`: the vendor may have acted; the intent is kept."""

    wait: timedelta | None
    state: str | None = None
    alert: Alert = Alert.NONE
    counts: bool = True
    lost: bool = False


def outcome(row: Credential, error: IntegrationError, *, now: datetime) -> FailureOutcome:
    """The outcome by the table for this error, met while refreshing this (claimed) row."""
    found = next(effect(row, error, now) for fits, effect in _TABLE if fits(error))
    if isinstance(error, Retryable) and not is_lost_answer(error) and lease.is_repeat(row):
        return _still_missing(row, error, found, now)
    return found


def is_lost_answer(error: IntegrationError) -> bool:
    """Whether the vendor may have rotated the refresh token although we have no new one."""
    if isinstance(error, Unreachable):
        return error.sent
    return isinstance(error, ServerFault | Untrusted)  # Untrusted: an invalid success


def _ours(_: Credential, error: IntegrationError, __: datetime) -> FailureOutcome:
    return FailureOutcome(timedelta(seconds=_retry_after(error) or backoff(0)) * random.uniform(1.0, 1.5), counts=False)  # noqa: S311


def _lost(row: Credential, error: IntegrationError, now: datetime) -> FailureOutcome:
    """Retry at the first repeat not before the vendor's Retry-After, else at the last one. Minting loses nothing."""
    since = _since_intent(row, now)
    ahead = [repeat for repeat in REPEATS if repeat > since]
    if not ahead or row.refresh_sealed is None:
        return _transient(row, error, now)
    wanted = since + timedelta(seconds=_retry_after(error) or 0.0)
    return FailureOutcome(next((repeat for repeat in ahead if repeat >= wanted), ahead[-1]) - since, lost=True)


def _still_missing(row: Credential, error: IntegrationError, found: FailureOutcome, now: datetime) -> FailureOutcome:
    """Retry soon: an earlier call's answer was lost, and this call used up no repeat."""
    left = _LATEST - _since_intent(row, now)
    if left <= timedelta(0):
        return found
    wanted = _retry_after(error)
    wait = _UNSENT_RETRY if wanted is None else timedelta(seconds=wanted)
    return replace(found, wait=min(wait, left), lost=True)


def _since_intent(row: Credential, now: datetime) -> timedelta:
    return now - (row.intent_at or now)


def _retry_after(error: IntegrationError) -> float | None:
    return error.retry_after if isinstance(error, Retryable) else None


def _transient(row: Credential, error: IntegrationError, _: datetime) -> FailureOutcome:
    wanted = _retry_after(error)
    seconds = backoff(row.failures, cap=_LONGEST_BACKOFF) if wanted is None else wanted
    alert = Alert.ONCE if isinstance(error, UnknownRefusal) else Alert.NONE
    return FailureOutcome(timedelta(seconds=seconds), alert=alert)


def _client(_: Credential, error: IntegrationError, __: datetime) -> FailureOutcome:
    if isinstance(error, ClientOrGrantRejected):
        return FailureOutcome(AMBIGUOUS_RETRY * random.uniform(0.8, 1.2), alert=Alert.EACH)  # noqa: S311
    return FailureOutcome(HALTED_RETRY, alert=Alert.APP)


def _slow(alert: Alert = Alert.NONE, state: str | None = None) -> Callable[..., FailureOutcome]:
    return lambda *_: FailureOutcome(INACTIVE_RETRY * random.uniform(0.8, 1.2), state, alert)  # noqa: S311


def _dead(*_: object) -> FailureOutcome:
    return FailureOutcome(None, State.NEEDS_RECONNECT, Alert.EACH)


def _is(*kinds: type[IntegrationError]) -> Callable[[IntegrationError], bool]:
    return lambda error: isinstance(error, kinds)


_TABLE: tuple[tuple[Callable[[IntegrationError], bool], Callable[..., FailureOutcome]], ...] = (
    (_is(RefreshInProgress, StoreUnavailable, NoPermit), _ours),
    (is_lost_answer, _lost),
    (_is(MintRefused), _slow(Alert.EACH, State.NEEDS_RECONNECT)),
    (_is(GrantRevoked), _dead),
    (_is(LocationInactive), _slow(state=State.SUSPENDED)),
    (_is(ClientRejected), _client),
    (_is(Retryable), _transient),
    (_is(IntegrationError), _slow(alert=Alert.ONCE)),
)
