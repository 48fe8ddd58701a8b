"""HTML of table cells in admin lists: progress bars, long texts, durations. Styles: hlapp/static/site/lists.css."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.core.ages import relative, span


class Label(NamedTuple):
    """A coloured label of a list; `kind` chooses the colour. On the page of a row, which has no labels, it is text."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def progress(done: int, total: int | None, *, complete: bool, note: str = "") -> SafeString | str:
    """A progress bar above its numbers, and below them `note`, such as the rate.

    `total` is an earlier count of the vendor, so a complete run does not show it.
    """
    if complete:
        return _bar(100, f"{done:,}")
    if total:
        return _bar(min(100, round(100 * done / total)), f"{done:,} of {total:,}", note)
    figures = f"{done:,} so far" if done else ""
    return (
        format_html('<span class="result-progress"><span>{}</span>{}</span>', figures, _note(note)) if note else figures
    )


def long_text(text: str, *, trouble: bool = False) -> SafeString:
    """A text of any length that wraps inside its cell and does not widen the row."""
    return format_html('<span class="result-text{}">{}</span>', " result-trouble" if trouble else "", text)


def json_text(value: Any) -> SafeString | str:
    """JSON, indented and wrapped; a dash for none."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)


def run_times(started: datetime, finished: datetime | None, now: datetime) -> SafeString:
    """How long ago it began, and how long it took or has taken so far."""
    length = span(round(((finished or now) - started).total_seconds()))
    words = f"took {length}" if finished else f"for {length}"
    at = f"{started:%Y-%m-%d %H:%M:%S %Z}"
    cell = '<span class="result-when" title="{}">{} <br>{}</span>'
    return format_html(cell, at, relative(started, now), words)


def _bar(percent: int, figures: str, note: str = "") -> SafeString:
    bar = '<progress max="100" value="{0}">{0} %</progress><span>{1}</span>'
    return format_html(f'<span class="result-progress">{bar}{{2}}</span>', percent, figures, _note(note))


def _note(text: str) -> SafeString | str:
    return format_html('<span class="result-note">{}</span>', text) if text else ""
