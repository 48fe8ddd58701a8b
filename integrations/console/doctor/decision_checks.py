"""Calls that wait for a decision: entries of outboxes that hold others, and rows of bulk upserts of unknown fate."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.outbox import queries as outbox
from integrations.upserts.models import UpsertRow

MOST = 10_000


def held_entries() -> Iterator[Finding]:
    """Entries whose fate is unknown, that HighLevel rejected, or that are a conflict: they hold what comes after."""
    name = "outbox"
    counts = {state: number for state, number in outbox.by_state().items() if state in outbox.TO_DECIDE}
    if not counts:
        yield Finding(name, Level.OK, "no entry waits for a decision")
        return
    found = ", ".join(f"{number:,} {state}" for state, number in counts.items())
    link = f"{reverse('admin:outbox_entry_changelist')}?state__in={','.join(counts)}"
    fix = "see why, then send each again, discard it, or say whether it happened"
    yield Finding(name, Level.WARNING, f"entries wait for a decision: {found}", fix, link)


def unknown_upserts() -> Iterator[Finding]:
    """Rows whose answer was lost, and which no look-up could settle."""
    name = "bulk upserts"
    count = UpsertRow.objects.filter(state=UpsertRow.State.UNKNOWN).order_by()[:MOST].count()
    if not count:
        yield Finding(name, Level.OK, "no row is of unknown fate")
        return
    found = f"{count:,} row{'' if count == 1 else 's'} may have been written or not"
    link = f"{reverse('admin:upserts_upsertrow_changelist')}?state__exact=unknown"
    yield Finding(name, Level.WARNING, found, "look at HighLevel, then decide in the list", link)
