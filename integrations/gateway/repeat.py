"""When a call that failed is made again at once, by the gateway itself.

Only what is harmless: reading (GET, HEAD, a listing that is asked for by POST), what the caller calls repeatable, and
what is known never to have left this machine. A POST of unknown fate may have sent a message or charged a card, and
the vendor knows no idempotency key (FACTS 7): it is the caller's to look.

And only where nobody else comes back for it: somebody at a screen waits for the interactive lane, so it repeats twice.
In the other lanes the task itself comes back by the error tree, without holding its worker meanwhile; a caller who
wants it here all the same says `retries`. Each attempt costs a permit of its own, all share one deadline.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from integrations.core import clock
from integrations.core.celery_tasks import backoff
from integrations.core.errors import Retryable, ServerFault, Unreachable
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination.styles import style_of
from integrations.quota.permits.lanes import Lane

T = TypeVar("T")

RETRIES = {Lane.INTERACTIVE: 2, Lane.EVENTS: 0, Lane.BULK: 0}
LEAST = 0.5  # seconds that have to be left for an attempt to be worth a permit
_READS = frozenset({"GET", "HEAD"})
_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Policy:
    """`retries` after the first attempt; `harmless`: whether a call that may have had its effect is repeated too."""

    retries: int
    harmless: bool


def policy(operation: Operation, dialect: DialectName, *, lane: Lane, retries: int | None, repeatable: bool) -> Policy:
    """`retries` None: as the lane has it. `repeatable`: the caller knows that doing it twice does no harm."""
    harmless = repeatable or reads(operation, dialect)
    return Policy(RETRIES[lane] if retries is None else retries, harmless)


def reads(operation: Operation, dialect: DialectName) -> bool:
    """Whether it changes nothing at the vendor: GET, HEAD, and a listing, which some ask for by POST."""
    return operation.method in _READS or style_of(operation.key, dialect) is not None


def attempts(work: Callable[[float], T], chosen: Policy, *, deadline: float) -> T:
    """`work` with the seconds it may take, again after a failure that the policy allows. Raises the last failure."""
    until = clock.monotonic() + deadline
    for attempt in itertools.count():
        left = deadline if attempt == 0 else until - clock.monotonic()
        try:
            return work(left)
        except (Unreachable, ServerFault) as error:
            wait = _wait(error, attempt)
            if attempt >= chosen.retries or not _may_repeat(error, chosen) or clock.monotonic() + wait + LEAST > until:
                raise
        clock.sleep(wait)
    raise AssertionError("the loop ends by an answer or an error")


def _may_repeat(error: Retryable, chosen: Policy) -> bool:
    return chosen.harmless or error.never_sent


def _wait(error: Retryable, attempt: int) -> float:
    return backoff(attempt, base=_PAUSE, cap=_LONGEST_PAUSE) if error.retry_after is None else error.retry_after
