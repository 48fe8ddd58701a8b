"""The link to the run or webhook that did something, from its name (`core.runs.current_run`)."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.core.pages import timeline_link
from integrations.core.runs import current_run

_WEBHOOKS = "webhooks"  # a handler works for an event, which is no run


def html(name: str) -> SafeString | str:
    """A link to the run's page, or to its timeline where runs of its room have no page; a dash without a run."""
    found = current_run.parsed(name)
    if found is None:
        return "–"
    room, number = found
    if room == _WEBHOOKS:
        return _link(reverse("admin:webhooks_event_change", args=[number]), f"webhook {number}")
    try:
        page = reverse(f"admin:{room}_run_change", args=[number])
    except NoReverseMatch:
        page = timeline_link.of_run(room, number)
    if not page:
        return f"{room} {number}"
    return _link(page, f"{room} {number}")


def _link(page: str, words: str) -> SafeString:
    return format_html('<a class="tenant-link" href="{}">{}</a>', page, words)
