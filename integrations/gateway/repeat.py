"""Retry policy of the gateway: which failed calls it sends again at once.

It retries only what is harmless: reads (GET, HEAD, a listing by POST), calls that the caller declares repeatable, and
requests that certainly never left this machine. A POST of unknown fate may have sent a message or charged a card, and
the vendor has no idempotency key (FACTS 7). The caller has to check what became of it.

It retries only where nothing else does. In the interactive lane a user waits at a screen, so the gateway retries twice.
In the other lanes the Celery task retries by the error tree and frees its worker meanwhile. A caller in these lanes can
still ask for retries here by `retries`. Each attempt costs its own permit; all attempts share one deadline.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from integrations.core import clock
from integrations.core.celery_tasks import backoff
from integrations.core.errors import Retryable, ServerFault, Unreachable
from integrations.quota.permits.lanes import Lane

T = TypeVar("T")

RETRIES = {Lane.INTERACTIVE: 2, Lane.EVENTS: 0, Lane.BULK: 0}
LEAST_SECONDS = 0.5  # with less left, an attempt is not worth a permit
READS = frozenset({"GET", "HEAD"})
_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Policy:
    """`retries` after the first attempt; `harmless`: whether a call that may have taken effect is retried too."""

    retries: int
    harmless: bool


def policy(*, reads: bool, lane: Lane, retries: int | None, repeatable: bool) -> Policy:
    """The retry policy of one call. `retries` None: the lane's default. `repeatable`: repetition does no harm."""
    return Policy(RETRIES[lane] if retries is None else retries, reads or repeatable)


def attempts(work: Callable[[float], T], chosen: Policy, *, deadline: float) -> T:
    """Call `work` with the seconds left, again after each failure that the policy allows. Raises the last failure."""
    until = clock.monotonic() + deadline
    for attempt in itertools.count():
        left = deadline if attempt == 0 else until - clock.monotonic()
        try:
            return work(left)
        except (Unreachable, ServerFault) as error:
            wait = _wait(error, attempt)
            if (
                attempt >= chosen.retries
                or not _may_repeat(error, chosen)
                or clock.monotonic() + wait + LEAST_SECONDS > until
            ):
                raise
        clock.sleep(wait)
    raise AssertionError("the loop ends by an answer or an error")


def _may_repeat(error: Retryable, chosen: Policy) -> bool:
    return chosen.harmless or error.never_sent


def _wait(error: Retryable, attempt: int) -> float:
    return backoff(attempt, base=_PAUSE, cap=_LONGEST_PAUSE) if error.retry_after is None else error.retry_after
