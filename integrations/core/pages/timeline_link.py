"""The link from the page of a row to its timeline, which a room above has (`problems.timeline`)."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

_KINDS = {
    "webhooks.event": "event",
    "jobs.run": "job",
    "jobs.trigger": "trigger",
    "jobs.write": "write",
    "sync.run": "sync",
    "sync.record": "record",
    "outbox.entry": "entry",
    "gateway.call": "call",
}


def url(row: Model) -> str:
    """The address of the row's timeline; empty for a kind of row that is in none."""
    kind = _KINDS.get(row._meta.label_lower)  # noqa: SLF001 - Django's documented name
    try:
        return f"{reverse('admin:problems_timeline')}?{urlencode({'id': f'{kind}:{row.pk}'})}" if kind else ""
    except NoReverseMatch:
        return ""
