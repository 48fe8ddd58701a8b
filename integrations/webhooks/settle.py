"""Settles events: handles and marks them in one transaction; retries, and poisons what keeps failing.

The marks and the fence are the transaction's last statements. If another worker has the lease by then, this worker had
stalled, and everything it did is rolled back. The last batch of a turn releases the mailbox in the same transaction.

A batch has no savepoints, because most batches succeed and a savepoint costs as much as a handler. When it fails, it is
rolled back and handled again, event by event. When an event of it fails then, the batch is rolled back, the events
before it are handled again without it, and then it is handled alone.

After a retryable failure the event gets a later due time, which also delays its mailbox: the events behind it may
depend on it. When its retries are used up, or repeating cannot help, the event is *poisoned*: the mailbox continues
without it, and its row keeps the error. So is at once what this application did not receive (`webhooks.event_mac`).

A worker that dies over a batch (killed, out of memory, hung for the lease's term) proves nothing about one event of it.
So the next worker handles those events one at a time. An event over which two workers died alone is poisoned.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import transaction

from integrations.core import clock, prepared
from integrations.core.celery_tasks import backoff
from integrations.core.errors import IntegrationError, Permanent, Retryable, SealBroken, Untrusted
from integrations.core.observing import spans
from integrations.core.runs.querysets import Fields, columns_of, error_columns
from integrations.webhooks import event_mac, handlers
from integrations.webhooks.handlers import BatchHandler
from integrations.webhooks.lease import Lease, fence, fence_or_release
from integrations.webhooks.models import Event, FailedAttempt

log = structlog.get_logger(__name__)

ATTEMPTS = 10  # with full jitter up to LONGEST_WAIT: about seven minutes in all
LONGEST_WAIT = 300.0  # seconds
DEATHS = 2  # of workers that were handling the event alone
BATCH_TIME = timedelta(seconds=2)  # a batch with slower handlers is committed as far as it is

_MARK_HANDLED = """
UPDATE webhooks_event
SET status = handled.status, attempts = attempts + 1, processed_at = %(now)s::timestamptz, error_code = '', error = ''
FROM unnest(%(ids)s::bigint[], %(statuses)s::text[]) AS handled (id, status)
WHERE webhooks_event.id = handled.id
"""


class WorkerDied(Permanent):
    """Worker processes died while they handled the event alone; the cause is unknown."""

    code = "worker_died"


class _BatchFailed(Exception):
    """A handler of a whole batch raised an error, for an event of it that is not known."""


class _HandlerFailed(Exception):
    """A handler raised `error` for the event at `index` of a batch."""

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(index)
        self.index, self.error = index, error


def settle_batch(lease: Lease, events: Sequence[Event], *, until: float, last: bool = False) -> int:
    """Handle the first of these events together, in order. Returns how many were settled, from the first one on.

    0 when the first one has to be tried again later. `until`, on the monotonic clock, is when the turn ends. `last`:
    nothing is known to be due behind these events, so the mailbox is released with them if it can be. Raises
    LeaseLost, and the database's own errors.
    """
    try:
        try:
            return _settle_together(lease, events, until, last=last, later={})
        except _BatchFailed:
            return _settle_together(lease, events, until, last=last, later=None)
    except _HandlerFailed as failed:
        if failed.index:
            return settle_batch(lease, events[: failed.index], until=until)
        # With one handler its failure is known: the rollback has undone what it did.
        known = failed.error if len(handlers.registered(events[0].type)) == 1 else None
        return int(settle(lease, events[0], known))


def settle(lease: Lease, event: Event, failure: Exception | None = None) -> bool:
    """Handle one event in its own transaction, unless its `failure` is known.

    False when it has to be tried again later. Raises LeaseLost, and the database's own errors.
    """
    with transaction.atomic():
        failure = failure or _not_ours(event) or handlers.run_each(event)
        fence(lease)
        if failure is None:
            _mark_handled([event])
            return True
        poisoned = _failed(event, failure)
    _report(event, failure, poisoned=poisoned)
    return poisoned


def worker_died(lease: Lease) -> None:
    """Report the death of a worker. Poison the event if `DEATHS` workers died while they handled it alone.

    Raises LeaseLost if another worker has the mailbox.
    """
    event = Event.objects.filter(id=lease.in_hand, status=Event.Status.PENDING).first() if lease.in_hand else None
    poisoned = event is not None and lease.deaths >= DEATHS
    if event is not None and poisoned:
        with transaction.atomic():
            fence(lease)
            _failed(event, WorkerDied(f"{lease.deaths} workers ended without an error while they handled it alone"))
    log.error(
        "webhook.worker_died",
        mailbox_id=lease.mailbox_id,
        webhook_id=event.webhook_id if event else None,
        type=event.type if event else None,
        poisoned=poisoned,
    )


def _settle_together(
    lease: Lease, events: Sequence[Event], until: float, *, last: bool, later: dict[BatchHandler, list[Event]] | None
) -> int:
    """Handle and mark the events in one transaction. `later` collects them for handlers of whole batches; None: one by
    one.
    """
    handled: list[Event] = []
    released = False
    renew_at = clock.now() + BATCH_TIME  # on the wall clock, as the lease's term is
    with transaction.atomic():
        for index, event in enumerate(events):
            try:
                event_mac.prove(event)
                handlers.run(event, later)
            except Exception as error:  # a handler may fail in any way
                raise _HandlerFailed(index, error) from error
            handled.append(event)
            if clock.monotonic() >= until or clock.now() >= renew_at:
                break
        _run_batches(later or {})
        _mark_handled(handled)
        if last and len(handled) == len(events):
            released = fence_or_release(lease)
        else:
            fence(lease)
    lease.is_released = released
    return len(handled)


def _run_batches(collected: dict[BatchHandler, list[Event]]) -> None:
    for handler, events in collected.items():
        parents = [event.trace_parent for event in events]
        try:
            with spans.span("events together", "consumer", parents, events=len(events)):
                handler(events)
        except Exception as error:  # a handler may fail in any way
            log.warning("webhook.batch_failed", handler=handler.__qualname__, reason=type(error).__name__)
            raise _BatchFailed from error


def _mark_handled(events: Sequence[Event]) -> None:
    ids = [event.pk for event in events]
    statuses = [handlers.settled_status(event.type).value for event in events]
    with prepared.cursor() as cursor:
        cursor.execute(_MARK_HANDLED, {"now": clock.now(), "ids": ids, "statuses": statuses})


def _not_ours(event: Event) -> SealBroken | None:
    try:
        event_mac.prove(event)
    except SealBroken as error:
        return error
    return None


def _failed(event: Event, error: Exception) -> bool:
    poisoned = isinstance(error, Permanent | Untrusted) or event.attempts + 1 >= ATTEMPTS
    now = clock.now()
    due_at = None if poisoned else now + timedelta(seconds=_wait(event, error))
    attempts, columns = event.attempts + 1, _columns(error)
    code, reason = columns["error_code"], columns["error"]
    row = Event.objects.filter(id=event.id)
    if due_at is None:
        row.poison(attempts, code, reason, now=now)
    else:
        row.try_later(attempts, code, reason, due_at=due_at)
    FailedAttempt.objects.create(event=event, number=attempts, at=now, next_at=due_at, **columns)
    return poisoned


def _wait(event: Event, error: Exception) -> float:
    wished = error.retry_after if isinstance(error, Retryable) else None
    return max(wished or 0.0, backoff(event.attempts, cap=LONGEST_WAIT))


def _code(error: Exception) -> str:
    return error.code if isinstance(error, IntegrationError) else "handler_bug"


def _columns(error: Exception) -> Fields:
    """What to keep and show. Our own errors are safe; of a foreign one only class and source position are shown."""
    if isinstance(error, IntegrationError):
        return columns_of(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return error_columns(_code(error), f"{type(error).__name__} in {frame.name}, line {frame.lineno}")


def _report(event: Event, error: Exception, *, poisoned: bool) -> None:
    log.warning(
        "webhook.poisoned" if poisoned else "webhook.postponed",
        webhook_id=event.webhook_id,
        type=event.type,
        error_code=_code(error),
        attempt=event.attempts + 1,
        exc_info=None if isinstance(error, IntegrationError) else error,
    )
