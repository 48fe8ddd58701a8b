"""What each table has about one contact of a location, and what its purge does with it.

The contact's record and its children (records with its `contactId`, or that mention it) are deleted. A webhook that
mentions it is emptied and keeps its webhook id, so that a repetition of it is still recognised. Ended runs lose what
they noted. A run under way is left until it ends: its purge waits for it.

Webhooks that came before the contact's id was known mention its e-mail address or telephone number only. These are read
from its record, so the record is deleted last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Trigger, Write
from integrations.outbox.models import Entry
from integrations.privacy import tenant_rows
from integrations.privacy.holding import mentioning
from integrations.privacy.purge_scope import Scope
from integrations.sync import suppression
from integrations.sync.models import HistoryEntry, Record
from integrations.sync.models import Run as SyncRun
from integrations.sync.sealed_fields import FieldOpener
from integrations.tenants.tenant_note import TenantNote
from integrations.upserts import queries as upserts
from integrations.upserts.models import UpsertRow
from integrations.webhooks import event_mac
from integrations.webhooks.models import Event, FailedAttempt, Mailbox

EMPTIED = {"purged": "on request of the person"}  # the payload of an emptied webhook
_ENTRY = ("entity", "key", "params", "body", "answer", "error", "vendor_answer", "expected", "found")
_SHORTEST = 6  # characters of an address or number that is looked for
_NOTED: dict[str, Any] = {"error": "", "vendor_answer": None, "checkpoint": {}}
_ENDED = ~Q(status="running")


@dataclass(frozen=True, slots=True)
class ContactRows:
    """The rows of one table about a contact. `empty` gets their ids; without it they are deleted.

    Rows that are not `ready` have to wait; None means that all are.
    """

    name: str
    title: str
    rows: Callable[[Scope], QuerySet[Any]]
    empty: Callable[[list[Any]], object] | None = None
    ready: Q | None = None


def words(scope: Scope) -> list[str]:
    """What the contact is looked for by: its id, and the addresses and numbers that its record has."""
    record = _records(scope).filter(resource=suppression.PERSON, record_id=scope.contact).first()
    return [scope.contact, *(sorted(_identities(FieldOpener().payload(record))) if record is not None else [])]


def _identities(payload: dict[str, Any]) -> set[str]:
    own = [payload.get(name) for name in ("email", "phone")]
    more = [item for name in ("additionalEmails", "additionalPhones") for item in payload.get(name) or []]
    named = [item.get("email") or item.get("phone") if isinstance(item, dict) else item for item in more]
    return {text for text in (*own, *named) if isinstance(text, str) and len(text) >= _SHORTEST}


def _records(scope: Scope) -> QuerySet[Record]:
    return Record.objects.filter(location_id__in=scope.locations)


def _children(scope: Scope) -> QuerySet[Any]:
    others = _records(scope).exclude(resource=suppression.PERSON)
    return mentioning(others, [scope.contact], "payload", "last_change")


def _history_entries(scope: Scope) -> QuerySet[Any]:
    """History of the contact, of what belongs to it, and of others where it mentions the contact."""
    mine = HistoryEntry.objects.filter(location_id__in=scope.locations)
    children = _children(scope).values("record_id")
    about = mentioning(mine, words(scope), "fields").values("pk")
    return mine.filter(Q(record_id=scope.contact) | Q(record_id__in=children) | Q(pk__in=about))


def _record(scope: Scope) -> QuerySet[Any]:
    return _records(scope).filter(resource=suppression.PERSON, record_id=scope.contact)


def _events(scope: Scope) -> QuerySet[Any]:
    tenants = [*scope.mailboxes, "app"]
    boxes = list(Mailbox.objects.filter(tenant__in=tenants).values_list("pk", flat=True))
    mine, about = Event.objects.filter(mailbox__in=boxes), words(scope)
    said = mentioning(FailedAttempt.objects.filter(event__in=mine.values("pk")), about, "error", "vendor_answer")
    named = mentioning(mine, about, "payload", "error")
    return mine.filter(Q(pk__in=named.values("pk")) | Q(pk__in=said.values("event")))


def _triggers(scope: Scope) -> QuerySet[Any]:
    return Trigger.objects.filter(event__in=_events(scope).values("pk"))


def _calls(scope: Scope) -> QuerySet[Any]:
    mine = Call.objects.filter(resource_id__in=scope.locations)
    return mentioning(mine, words(scope), "path", "query", "body", "response", "message")


def _sealed_requests(scope: Scope) -> QuerySet[Any]:
    """They cannot be searched for the contact, so those of all failed calls of the location go."""
    return Call.objects.filter(resource_id__in=scope.locations, request_sealed__isnull=False)


def _writes(scope: Scope) -> QuerySet[Any]:
    mine = Write.objects.filter(schedule__level="Location", schedule__tenant_id__in=scope.locations)
    return mentioning(mine, words(scope), "request", "answer", "key", "reason")


def _outbox_entries(scope: Scope) -> QuerySet[Any]:
    mine = Entry.objects.filter(outbox__level="Location", outbox__tenant_id__in=scope.locations)
    return mentioning(mine, words(scope), *_ENTRY)


def _upsert_rows(scope: Scope) -> QuerySet[Any]:
    """Rows about the contact: those that wrote it, and those whose content, which is encrypted, mentions it."""
    mine = UpsertRow.objects.filter(upsert__level="Location", upsert__tenant_id__in=scope.locations)
    said = mentioning(mine, words(scope), "record_id", "error", "vendor_message", "vendor_answer").values("pk")
    return mine.filter(Q(pk__in=said) | Q(pk__in=upserts.rows_that_say(mine, words(scope))))


def _notes(scope: Scope) -> QuerySet[Any]:
    """Notes of operators on its location that mention the contact."""
    return mentioning(TenantNote.objects.filter(level="Location", tenant_id__in=scope.locations), words(scope), "text")


def _job_runs(scope: Scope) -> QuerySet[Any]:
    mine = JobRun.objects.filter(schedule__level="Location", schedule__tenant_id__in=scope.locations)
    return mentioning(mine, words(scope), "error", "vendor_answer", "checkpoint", "page", "note", "counts")


def _sync_runs(scope: Scope) -> QuerySet[Any]:
    mine = SyncRun.objects.filter(plan__location_id__in=scope.locations)
    return mentioning(mine, words(scope), "error", "vendor_answer", "checkpoint")


def empty_events(ids: list[Any]) -> None:
    """Empty these webhooks. A pending one would bring the contact back: it counts as ignored."""
    rows = Event.objects.filter(pk__in=ids)
    rows.ignore_unhandled()
    rows.update(payload=EMPTIED, error="")
    event_mac.sign(rows)
    FailedAttempt.objects.filter(event__in=ids).update(error="", vendor_answer=None)


def _forget_requests(ids: list[Any]) -> None:
    Call.objects.filter(pk__in=ids).update(request_sealed=None)


def _empty_job_runs(ids: list[Any]) -> None:
    for run in JobRun.objects.filter(pk__in=ids):
        columns = run.with_mac({**_NOTED, "page": None, "note": "", "counts": {}})
        JobRun.objects.filter(pk=run.pk).update(**columns)


def _empty_sync_runs(ids: list[Any]) -> None:
    SyncRun.objects.filter(pk__in=ids).update(**_NOTED)


ALL: tuple[ContactRows, ...] = (
    ContactRows("outbox.Entry", "outbox entries", _outbox_entries, ready=~Q(state="sent")),
    ContactRows("jobs.Write", "writes of jobs", _writes, ready=Q(state="confirmed")),
    ContactRows("upserts.UpsertRow", "rows of bulk upserts", _upsert_rows, ready=~Q(state="sent")),
    ContactRows("jobs.Trigger", "events that jobs wait for", _triggers),
    ContactRows("webhooks.Event", "webhooks (emptied)", _events, empty_events),
    ContactRows("gateway.Call", "failed and slow calls", _calls),
    ContactRows("gateway.Call requests", "sealed requests of failed calls", _sealed_requests, _forget_requests),
    ContactRows("jobs.Run", "job runs (emptied)", _job_runs, _empty_job_runs, _ENDED),
    ContactRows("sync.Run", "sync runs (emptied)", _sync_runs, _empty_sync_runs, _ENDED),
    ContactRows("tenants.TenantNote", "notes of operators", _notes),
    ContactRows("exports.ExportPart", "exported files", tenant_rows.export_parts),
    ContactRows("sync.HistoryEntry", "history of records", _history_entries),
    ContactRows("sync.Record children", "records that belong to it", _children),
    ContactRows("sync.Record", "the contact's record", _record),
)


def suppressed(scope: Scope) -> list[tuple[str, str]]:
    """Resource and id of each record that must not come back: the contact, and its children by their own ids."""
    found = _children(scope).filter(Q(payload__contactId=scope.contact))
    return [(suppression.PERSON, scope.contact), *found.values_list("resource", "record_id").distinct()]
