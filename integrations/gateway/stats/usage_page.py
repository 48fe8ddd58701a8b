"""Context of the usage page: what its template shows for the chosen time and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from integrations.core.filters import NONE
from integrations.core.pages.plots import Plot, Scale
from integrations.gateway.stats import queries, usage_plots
from integrations.gateway.stats.queries import SPANS, Figures, Slice, Span
from integrations.gateway.stats.usage_plots import CountedSlices

BY_HAND = "by hand"  # label of calls from pages and commands, without a job
_ALARMING = 5.0  # percent of errors
_FILTERS = {"operation": "Operation", "job": "Job", "resource_id": "Tenant", "lane": "Lane"}
_ROWS = 60  # of a table


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One table row, as text."""

    name: str
    link: str
    sent: str
    errors: str
    bad: bool
    waits: str
    p50: str
    p95: str
    p99: str
    slowest: str


def context(query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The template's context. `query` is the page's query string; unknown values count as not given."""
    span = SPANS.get(query.get("span", ""), SPANS["hour"])
    given = {name: value for name in _FILTERS if (value := query.get(name, "").strip().replace("\0", ""))}
    where = {name: "" if (name, value) == ("job", BY_HAND) else value for name, value in given.items()}
    parts = queries.slices(span, now, **where)
    operations, jobs = queries.added_up(parts, _operation), queries.added_up(parts, _job)
    known = {"operation": operations, "job": jobs}
    return {
        "now": now,
        "spans": SPANS.values(),
        "chosen": span,
        "filtered": bool(given),
        "filters": [
            {
                "name": name,
                "title": title,
                "value": given.get(name, ""),
                "known": ["interactive", "events", "bulk"]
                if name == "lane"
                else sorted(one.name for one in known.get(name, [])),
            }
            for name, title in _FILTERS.items()
        ],
        "cards": _cards(queries.added_up(parts, lambda part: "all"), span),
        "plots": _plots(parts, span, now, given),
        "operations": _rows(operations, "operation", span, given),
        "jobs": _rows(jobs, "job", span, given),
    }


def _code(part: Slice) -> str:
    return part.code


def _operation(part: Slice) -> str:
    return part.operation


def _job(part: Slice) -> str:
    return part.job or BY_HAND


def _plots(parts: list[Slice], span: Span, now: datetime, given: Mapping[str, str]) -> list[Plot]:
    counted = [
        CountedSlices(title, by, figure, Scale(unit, link=_calls(column, given)))
        for title, by, figure, unit, column in _COLUMNS
    ]
    drawn = [usage_plots.columns(one, parts, span, now) for one in counted]
    return [*drawn, usage_plots.latency("Latency", parts, span, now)]


def _calls(column: str, given: Mapping[str, str]) -> Callable[[datetime, datetime, str], str]:
    """The address of the failed and slow calls that one part of a column counts among others."""
    page = reverse("admin:gateway_call_changelist")

    def link(start: datetime, end: datetime, name: str) -> str:
        wanted = {**given, column: name}
        chosen = {what: NONE if (what, value) == ("job", BY_HAND) else value for what, value in wanted.items()}
        return f"{page}?" + urlencode({**chosen, "at__gte": start.isoformat(), "at__lt": end.isoformat()})

    return link


# Title, series, value, unit, and the column by which the list of calls is filtered.
_COLUMNS: tuple[tuple[str, Callable[[Slice], str], Callable[[Slice], int], str, str], ...] = (
    ("Requests by operation", _operation, lambda part: part.spent, "requests", "operation"),
    ("Requests by job", _job, lambda part: part.spent, "requests", "job"),
    ("Errors", _code, lambda part: part.errors, "errors", "code"),
)


def _cards(whole: list[Figures], span: Span) -> list[tuple[str, str, str, str]]:
    total = whole[0] if whole else Figures("all")
    tone = "bad" if total.error_percent > _ALARMING else "good"
    return [
        ("Requests sent", f"{total.sent:,}", f"as much quota, {span.title}", "good"),
        ("Errors", f"{total.errors:,}", f"{total.error_percent:.1f} % of the requests", tone),
        ("Waits for quota", f"{total.waits:,}", "attempts that found no permit", "good"),
        ("Latency", _time(total.p50), f"p95 {_time(total.p95)}, p99 {_time(total.p99)}", "good"),
    ]


def _rows(found: Iterable[Figures], name: str, span: Span, given: Mapping[str, str]) -> list[UsageRow]:
    return [
        UsageRow(
            name=one.name,
            link="?" + urlencode({"span": span.name, **given, name: one.name}),
            sent=f"{one.sent:,}",
            errors=f"{one.errors:,} ({one.error_percent:.1f} %)" if one.errors else "0",
            bad=one.error_percent > _ALARMING,
            waits=f"{one.waits:,}",
            p50=_time(one.p50),
            p95=_time(one.p95),
            p99=_time(one.p99),
            slowest=_time(float(one.slowest_ms)) if one.slowest_ms else "–",
        )
        for one in list(found)[:_ROWS]
    ]


def _time(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
