"""Retention of what no other room deletes by itself, and emptying of late webhooks about suppressed contacts.

Rooms delete their own old rows: webhooks, calls, statistics, and ended runs whenever another run of the same plan
completes. Here go the ended runs of jobs that run no more, answered writes of jobs, old steps of the history of
installations, forms of installations that were not finished, and sessions of operators that have expired.

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
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.sql import batched_deletion
from integrations.gateway.stats import upkeep
from integrations.installs.models import InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Write
from integrations.jobs.next_run import keep_runs
from integrations.operators.models import OperatorSession
from integrations.outbox import replays
from integrations.outbox.models import Entry
from integrations.privacy import contact_rows, webhooks_after_purge
from integrations.sync import suppression
from integrations.sync.models import HistoryEntry
from integrations.tenants.installation_change import InstallationChange
from integrations.webhooks import retention
from integrations.webhooks.models import Event, Mailbox

_CHUNK = 1_000
TURN_SECONDS = 30.0  # of one call; the next one goes on
LOOK_BACK = timedelta(hours=26)  # webhooks that came since then are looked through, once an hour
_PREFIX = "location:"
_SHORTEST, _LONGEST = 8, 64  # characters of the vendor's ids
log = structlog.get_logger(__name__)


def tidy(now: datetime) -> dict[str, int]:
    """Delete and empty for half a minute at most; how many rows of each kind."""
    until = clock.monotonic() + TURN_SECONDS
    counts = {name: batched_deletion.delete(rows, until) for name, rows in _expired(now).items()}
    counts["webhooks after a purge"] = batched_deletion.delete(webhooks_after_purge.rows().order_by("pk"), until)
    counts["calls of the outbox emptied"] = replays.forget(now, until)
    counts["webhooks emptied"] = _empty_late(now, until)
    if found := {name: count for name, count in counts.items() if count}:
        log.info("privacy.tidied", **{name.replace(" ", "_"): count for name, count in found.items()})
    return counts


def _expired(now: datetime) -> dict[str, QuerySet[Any]]:
    """Expired rows of each kind, in the order of an index that finds them, or that there are none."""
    ended = JobRun.objects.filter(finished_at__lt=now - keep_runs())
    rows: dict[str, QuerySet[Any]] = {
        "job runs": ended.exclude(status=JobRun.Status.UNKNOWN).order_by("finished_at"),
        **_expired_writes(now),
        "history of records": _expired_history(now),
        "sessions of operators": OperatorSession.objects.filter(expire_date__lt=now).order_by("expire_date"),
        "installations under way": InstallState.objects.filter(expires_at__lt=now - timedelta(days=1)).order_by("pk"),
    }
    if settings.HISTORY_RETENTION_DAYS:
        before = now - timedelta(days=settings.HISTORY_RETENTION_DAYS)
        rows["history"] = InstallationChange.objects.filter(recorded_at__lt=before, due_at=None).order_by("pk")
    return rows


def _expired_history(now: datetime) -> QuerySet[HistoryEntry]:
    """The expired ones of the oldest rows. No index has their dates, so the search ends where the young ones begin."""
    oldest = HistoryEntry.objects.order_by("pk").values("pk")[: batched_deletion.BATCH]
    return HistoryEntry.objects.filter(pk__in=oldest, at__lt=now - _history_kept()).order_by("pk")


def _history_kept() -> timedelta:
    return timedelta(days=settings.RECORD_HISTORY_RETENTION_DAYS)


def overdue(now: datetime) -> dict[str, timedelta]:
    """How long ago the oldest row of the largest tables should have been deleted, in all rooms; zero if none should."""
    oldest = HistoryEntry.objects.order_by("pk").values_list("at", flat=True).first() or now
    history = max(timedelta(), now - _history_kept() - oldest)
    return {"events": retention.overdue(now), **upkeep.overdue(now), "history of records": history}


def _expired_writes(now: datetime) -> dict[str, QuerySet[Any]]:
    """Answered writes: those of ended runs, and those with a key. One of unknown fate waits for a decision."""
    answered = Write.objects.filter(state=Write.State.CONFIRMED)
    once_until = now - timedelta(days=settings.ONCE_RETENTION_DAYS)
    return {
        "writes of runs": answered.filter(key="", settled_at__lt=now - keep_runs()).order_by("settled_at"),
        "outbox entries": Entry.objects.filter(state=Entry.State.DONE, settled_at__lt=once_until).order_by(
            "settled_at"
        ),
        "writes with a key": answered.exclude(key="").filter(settled_at__lt=once_until).order_by("settled_at"),
    }


def _empty_late(now: datetime, until: float) -> int:
    """Empty webhooks about suppressed contacts that were handled and that no job waits for."""
    emptied = 0
    for mailbox_id, location_id, hidden in _places():
        handled = retention.unseen().filter(mailbox=mailbox_id, received_at__gte=now - LOOK_BACK)
        handled = handled.filter(status__in=(*retention.SETTLED, Event.Status.POISONED))
        for event in handled.only("pk", "payload").iterator(chunk_size=_CHUNK):
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
    for pk, tenant in boxes.iterator(chunk_size=_CHUNK):
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
