"""The link from the page of a row to its timeline, which a room above has (`problems.timeline`)."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

_KINDS = {
    "webhooks.event": "event",
    "jobs.run": "job",
    "jobs.trigger": "trigger",
    "jobs.write": "write",
    "sync.run": "sync",
    "sync.record": "record",
    "outbox.entry": "entry",
    "gateway.call": "call",
    "upserts.upsert": "upsert",
    "upserts.upsertrow": "upsert_row",
}
_RUNS = {"outbox": "outbox", "upserts": "upsert_run"}


def url(row: Model) -> str:
    """The address of the row's timeline; empty for a kind of row that is in none."""
    return _url(_KINDS.get(row._meta.label_lower, ""), row.pk)  # noqa: SLF001 - Django's documented name


def of_run(room: str, number: int) -> str:
    """The address of the timeline of a run without a page of its own; empty for a room whose runs are in none."""
    return _url(_RUNS.get(room, ""), number)


def of_id(text: str) -> SafeString | str:
    """A link from an id, such as a trace id, to the timeline of what has it; a dash for none."""
    try:
        page = reverse("admin:problems_timeline")
    except NoReverseMatch:
        return text
    if not text:
        return "–"
    return format_html('<a class="tenant-link" href="{}?{}">{}</a>', page, urlencode({"id": text}), text)


def _url(kind: str, pk: object) -> str:
    try:
        return f"{reverse('admin:problems_timeline')}?{urlencode({'id': f'{kind}:{pk}'})}" if kind else ""
    except NoReverseMatch:
        return ""
