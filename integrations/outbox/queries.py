"""Read-only queries on outboxes for pages, commands and metrics."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Case, Count, OuterRef, Q, Subquery, When

from integrations.gateway.support.refused_call import RefusedCall, of_row
from integrations.outbox.entry_queryset import HOLDING
from integrations.outbox.models import Entry, Run, TenantOutbox

OPEN = (Entry.State.WAITING, Entry.State.SENT, Entry.State.UNKNOWN, Entry.State.REJECTED, Entry.State.CONFLICT)
TO_DECIDE = (Entry.State.UNKNOWN, Entry.State.REJECTED, Entry.State.CONFLICT)


def counts(outbox_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """How many open entries each outbox has, by state."""
    rows = Entry.objects.filter(outbox__in=list(outbox_ids), state__in=OPEN)
    found: dict[int, dict[str, int]] = {}
    for pk, state, number in rows.values_list("outbox", "state").annotate(Count("pk")).order_by():
        found.setdefault(pk, {})[state] = number
    return found


def by_state() -> dict[str, int]:
    """How many open entries there are of each state."""
    rows = Entry.objects.filter(state__in=OPEN).values_list("state").annotate(found=Count("pk")).order_by()
    return dict(rows)


def trouble(box: TenantOutbox) -> str:
    """What went wrong in the latest run; empty if nothing did."""
    latest: Run | None = Run.objects.filter(outbox=box).order_by("-pk").first()
    return latest.error if latest is not None else ""


def held_by() -> Case:
    """For queries of entries: the key of the entry that has to be decided first, None for one that nothing holds."""
    earlier = Entry.objects.filter(outbox=OuterRef("outbox"), entity=OuterRef("entity"), pk__lt=OuterRef("pk"))
    holding = Q(state__in=HOLDING) | Q(state=Entry.State.CONFLICT, found__isnull=False)
    return Case(When(state=Entry.State.WAITING, then=Subquery(earlier.filter(holding).order_by("pk").values("pk")[:1])))


def refused_call(entry: Entry) -> RefusedCall:
    """The call of an entry that HighLevel rejected or did not answer. The entry needs its outbox and app."""
    box = entry.outbox
    made = {"operation": entry.operation, "version": entry.version, "source": "an entry of the outbox"}
    return of_row(entry, app=box.app, tenant=box.tenant, at=entry.settled_at, **made)


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as the command prints it."""
    return {
        "id": entry.pk,
        "tenant": entry.outbox.tenant_id,
        "entity": entry.entity,
        "key": entry.key,
        "operation": entry.operation,
        "params": entry.params,
        "body": entry.body,
        "state": entry.state,
        "error_code": entry.error_code,
        "error": entry.error,
        "trace_id": entry.trace_id,
        "vendor_answer": entry.vendor_answer,
        "expected": {name: (entry.expected or {}).get(name) for name in entry.found or {}},
        "found": entry.found or {},
        "created_at": entry.created_at.isoformat(),
        "sent_at": entry.sent_at.isoformat() if entry.sent_at else None,
    }
