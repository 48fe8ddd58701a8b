"""Settles one event: handles it and marks it in one transaction; retries, and poisons what keeps failing.

The fence and the mark are the transaction's last statements. If another worker has the lease by then, this worker had
stalled, and everything it did is rolled back.

After a retryable failure the event gets a later due time, which also delays its mailbox: the events behind it may
depend on it. When its retries are used up, or repeating cannot help, the event is *poisoned*: the mailbox continues
without it, and its row keeps the error. A worker that dies over an event (killed, out of memory, hung for the lease's
term) counts as a failure too.
"""

from __future__ import annotations

import traceback
from datetime import timedelta

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.celery_tasks import backoff
from integrations.core.errors import IntegrationError, Permanent, Retryable, Untrusted
from integrations.webhooks.handlers import dispatch, settled_status
from integrations.webhooks.lease import Lease, fence
from integrations.webhooks.models import Event

log = structlog.get_logger(__name__)

ATTEMPTS = 10  # with full jitter up to LONGEST_WAIT: about seven minutes in all
LONGEST_WAIT = 300.0  # seconds


class WorkerDied(Retryable):
    """The worker process died while it handled the event; the cause is unknown."""

    code = "worker_died"


def settle(lease: Lease, event: Event) -> bool:
    """Handle the event; False when it has to be tried again later. Raises LeaseLost, and the database's own errors."""
    with transaction.atomic():
        failure = dispatch(event)
        fence(lease)
        if failure is None:
            _mark(event, status=settled_status(event.type), processed_at=clock.now(), error_code="", error="")
            return True
        poisoned = _failed(event, failure)
    _report(event, failure, poisoned=poisoned)
    return poisoned


def worker_died(lease: Lease, event: Event) -> None:
    """Count a failure: the last worker died over the mailbox's first event. The retry is due at once."""
    with transaction.atomic():
        fence(lease)
        poisoned = _failed(event, WorkerDied("the worker that handled it ended without a word"), wait=0.0)
    log.error("webhook.worker_died", webhook_id=event.webhook_id, type=event.type, poisoned=poisoned)


def _failed(event: Event, error: Exception, *, wait: float | None = None) -> bool:
    poisoned = isinstance(error, Permanent | Untrusted) or event.attempts + 1 >= ATTEMPTS
    now = clock.now()
    if poisoned:
        outcome = {"status": Event.Status.POISONED, "processed_at": now}
    else:
        outcome = {"due_at": now + timedelta(seconds=_wait(event, error) if wait is None else wait)}
    _mark(event, error_code=_code(error), error=_reason(error)[:300], **outcome)
    return poisoned


def _mark(event: Event, **changes: object) -> None:
    Event.objects.filter(id=event.id).update(attempts=event.attempts + 1, **changes)


def _wait(event: Event, error: Exception) -> float:
    wished = error.retry_after if isinstance(error, Retryable) else None
    return max(wished or 0.0, backoff(event.attempts, cap=LONGEST_WAIT))


def _code(error: Exception) -> str:
    return error.code if isinstance(error, IntegrationError) else "handler_bug"


def _reason(error: Exception) -> str:
    """The reason to show. Our own errors are safe; of a foreign one only class and source position are shown."""
    if isinstance(error, IntegrationError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}"


def _report(event: Event, error: Exception, *, poisoned: bool) -> None:
    log.warning(
        "webhook.poisoned" if poisoned else "webhook.postponed",
        webhook_id=event.webhook_id,
        type=event.type,
        error_code=_code(error),
        attempt=event.attempts + 1,
        exc_info=None if isinstance(error, IntegrationError) else error,
    )
