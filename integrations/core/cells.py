"""What the operators' lists of several rooms show in a cell. The styles are in static/site/lists.css."""

from __future__ import annotations

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.core.ages import relative, span


def progress(done: int, total: int | None, *, complete: bool) -> SafeString | str:
    """A bar over its figures. `total` is what the vendor said before: of a complete run it says nothing any more."""
    if complete:
        return _bar(100, f"{done:,}")
    if total:
        return _bar(min(100, round(100 * done / total)), f"{done:,} of {total:,}")
    return f"{done:,} so far" if done else ""


def said(words: str, *, trouble: bool = False) -> SafeString:
    """Words of any length, which take several lines and not the whole row."""
    return format_html('<span class="result-said{}">{}</span>', " result-trouble" if trouble else "", words)


def when(started: datetime, finished: datetime | None, now: datetime) -> SafeString:
    """How long ago it began, and how long it took or has taken."""
    length = span(round(((finished or now) - started).total_seconds()))
    words = f"took {length}" if finished else f"for {length}"
    at = f"{started:%Y-%m-%d %H:%M:%S %Z}"
    cell = '<span class="result-when" title="{}">{}<br>{}</span>'
    return format_html(cell, at, relative(started, now), words)


def _bar(percent: int, figures: str) -> SafeString:
    bar = '<span class="result-progress"><progress max="100" value="{0}">{0} %</progress><span>{1}</span></span>'
    return format_html(bar, percent, figures)
