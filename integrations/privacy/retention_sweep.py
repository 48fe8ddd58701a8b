"""Retention of what no other room deletes by itself, and emptying of late webhooks about suppressed contacts.

Rooms delete their own old rows: webhooks, calls, statistics, and ended runs whenever another run of the same plan
completes. Here go the ended runs of jobs that run no more, answered writes of jobs, old steps of the history of
installations, and forms of installations that nobody finished.

A contact that was purged still exists at HighLevel, which goes on to send webhooks about it. Jobs may need them, so
they are stored and handed out; then they are emptied here, like those before the purge. Those about a tenant that was
purged are deleted (`webhooks_after_purge`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from integrations.core import clock
from integrations.installs.models import InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Write
from integrations.jobs.next_run import keep_runs
from integrations.outbox.models import Entry
from integrations.privacy import contact_rows, webhooks_after_purge
from integrations.sync import suppression
from integrations.sync.models import HistoryEntry
from integrations.tenants.installation_change import InstallationChange
from integrations.webhooks import retention
from integrations.webhooks.models import Event, Mailbox

BATCH = 1_000
TURN_SECONDS = 30.0  # of one call; the next one goes on
LOOK_BACK = timedelta(hours=26)  # webhooks that came since then are looked through, once an hour
_PREFIX = "location:"
_SHORTEST, _LONGEST = 8, 64  # characters of the vendor's ids
log = structlog.get_logger(__name__)


def tidy(now: datetime) -> dict[str, int]:
    """Delete and empty for half a minute at most; how many rows of each kind."""
    until = clock.monotonic() + TURN_SECONDS
    counts = {name: _delete(rows, until) for name, rows in _expired(now).items()}
    counts["webhooks after a purge"] = _delete(webhooks_after_purge.rows(), until)
    counts["webhooks emptied"] = _empty_late(now, until)
    if found := {name: count for name, count in counts.items() if count}:
        log.info("privacy.tidied", **{name.replace(" ", "_"): count for name, count in found.items()})
    return counts


def _expired(now: datetime) -> dict[str, QuerySet[Any]]:
    rows: dict[str, QuerySet[Any]] = {
        "job runs": JobRun.objects.filter(finished_at__lt=now - keep_runs()).exclude(status=JobRun.Status.UNKNOWN),
        **_expired_writes(now),
        "history of records": HistoryEntry.objects.filter(
            at__lt=now - timedelta(days=settings.RECORD_HISTORY_RETENTION_DAYS)
        ),
        "installations under way": InstallState.objects.filter(expires_at__lt=now - timedelta(days=1)),
    }
    if settings.HISTORY_RETENTION_DAYS:
        before = now - timedelta(days=settings.HISTORY_RETENTION_DAYS)
        rows["history"] = InstallationChange.objects.filter(recorded_at__lt=before, due_at=None)
    return rows


def _expired_writes(now: datetime) -> dict[str, QuerySet[Any]]:
    """Answered writes: those of ended runs, and those with a key. One of unknown fate stays until somebody decides."""
    answered = Write.objects.filter(state=Write.State.CONFIRMED)
    once_until = now - timedelta(days=settings.ONCE_RETENTION_DAYS)
    return {
        "writes of runs": answered.filter(key="", settled_at__lt=now - keep_runs()),
        "outbox entries": Entry.objects.filter(state=Entry.State.DONE, settled_at__lt=once_until),
        "writes with a key": answered.exclude(key="").filter(settled_at__lt=once_until),
    }


def _delete(rows: QuerySet[Any], until: float) -> int:
    deleted, model = 0, rows.model
    while clock.monotonic() < until:
        batch = _delete_batch(rows, model)
        deleted += batch
        if batch < BATCH:
            break
    return deleted


def _delete_batch(rows: QuerySet[Any], model: type[Model]) -> int:
    with transaction.atomic():
        free = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",))
        ids = list(free.values_list("pk", flat=True)[:BATCH])
        model._base_manager.filter(pk__in=ids).only("pk").delete()  # noqa: SLF001 - documented by Django
    return len(ids)


def _empty_late(now: datetime, until: float) -> int:
    """Empty webhooks about suppressed contacts that were handled and that no job waits for."""
    emptied = 0
    for mailbox_id, location_id, hidden in _places():
        handled = retention.unseen().filter(mailbox=mailbox_id, received_at__gte=now - LOOK_BACK)
        handled = handled.filter(status__in=(*retention.SETTLED, Event.Status.POISONED))
        for event in handled.only("pk", "payload").iterator(chunk_size=BATCH):
            if clock.monotonic() >= until:
                return emptied
            if any(hidden.names(location_id, text) for text in _ids(event.payload)):
                contact_rows.empty_events([event.pk])
                emptied += 1
    return emptied


def _places() -> Iterator[tuple[int, str, suppression.Suppressed]]:
    """The mailboxes of locations with a suppressed contact."""
    if suppression.is_empty():
        return
    boxes = Mailbox.objects.filter(tenant__startswith=_PREFIX).values_list("pk", "tenant")
    for pk, tenant in boxes.iterator(chunk_size=BATCH):
        location_id = tenant.removeprefix(_PREFIX)
        hidden = suppression.of([location_id])
        if hidden.hashes:
            yield pk, location_id, hidden


def _ids(value: Any) -> Iterator[str]:
    """The texts inside that may be ids."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, str) and _SHORTEST <= len(value) <= _LONGEST and " " not in value:
        yield value
