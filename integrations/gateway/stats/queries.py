"""Usage statistics for pages: one query over the chosen span, grouped into a few dozen bins and added up in Python.

It reads totals as far as there are some (`stats.usage_totals`), and after them the usage rows. The usage of one tenant
is read from its rows alone, through their index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection

from integrations.gateway.histogram import SIZE, percentile
from integrations.gateway.models import Usage, UsageTotal
from integrations.gateway.stats import usage_totals

MOST_SLICES = 50_000
_COLUMNS = ("app_id", "resource_id", "operation", "job", "lane")
_READ = f"""
SELECT (floor(extract(epoch FROM at) / %(bin)s) * %(bin)s)::bigint, operation, job, code,
  sum(calls)::bigint, sum(spent)::bigint, max(slowest_ms),
  ARRAY[{", ".join(f"sum(buckets[{n}])::bigint" for n in range(1, SIZE + 1))}]
FROM ({{parts}}) AS part
GROUP BY 1, 2, 3, 4 ORDER BY 1 LIMIT {MOST_SLICES}
"""  # noqa: S608 - the parts are made of this module's own texts
_PART = """
SELECT at, operation, job, code, calls, spent, slowest_ms, buckets FROM {table}
WHERE span IN ({spans}) AND at >= %({name})s AND at < %({name}_end)s {conditions}
"""
_LATER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A time range of the usage page, and the length of its bins in seconds."""

    name: str
    title: str
    length: timedelta
    bin: int


SPANS = {
    span.name: span
    for span in (
        Span("hour", "last hour", timedelta(hours=1), 60),
        Span("day", "last 24 hours", timedelta(days=1), 1_800),
        Span("week", "last 7 days", timedelta(days=7), 10_800),
        Span("month", "last 30 days", timedelta(days=30), 43_200),
    )
}


@dataclass(frozen=True, slots=True)
class Slice:
    """Attempts of one operation, job and outcome in one bin."""

    at: int
    operation: str
    job: str
    code: str
    calls: int
    spent: int
    slowest_ms: int
    buckets: list[int]

    @property
    def waits(self) -> int:
        """Attempts that got no permit. The quota works that way, so they are not errors."""
        return self.calls - self.spent if self.code == "quota_exhausted" else 0

    @property
    def errors(self) -> int:
        """Attempts that failed, without those that got no permit."""
        return self.calls - self.waits if self.code else 0


@dataclass(slots=True)
class Figures:
    """The sum of several slices."""

    name: str
    sent: int = 0
    errors: int = 0
    waits: int = 0
    slowest_ms: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * SIZE)

    def add(self, part: Slice) -> None:
        """Add one slice to the sum."""
        self.sent += part.spent
        self.errors += part.errors
        self.waits += part.waits
        self.slowest_ms = max(self.slowest_ms, part.slowest_ms)
        self.buckets = [a + b for a, b in zip(self.buckets, part.buckets, strict=True)]

    @property
    def error_percent(self) -> float:
        """Errors in percent of the attempts sent, or of the errors when those are more."""
        attempts = max(self.sent, self.errors)
        return 100 * self.errors / attempts if attempts else 0.0

    @property
    def p50(self) -> float | None:
        """Median latency in milliseconds; None without calls."""
        return percentile(self.buckets, 0.50)

    @property
    def p95(self) -> float | None:
        """95th percentile of the latency in milliseconds; None without calls."""
        return percentile(self.buckets, 0.95)

    @property
    def p99(self) -> float | None:
        """99th percentile of the latency in milliseconds; None without calls."""
        return percentile(self.buckets, 0.99)


def slices(span: Span, now: datetime, **where: str | int) -> list[Slice]:
    """The counts of the span. `where` has columns and the values that they must equal."""
    assert set(where) <= set(_COLUMNS)
    conditions = "".join(f" AND {column} = %({column})s" for column in where)
    values: dict[str, str | int | datetime] = {"bin": span.bin, **where}
    texts: list[str] = []
    since = datetime.fromtimestamp(begin(span, now), UTC)
    for table, spans, start, end in _parts(span, since, has_totals="resource_id" not in where):
        name = f"part{len(texts)}"
        values |= {name: start, f"{name}_end": end}
        texts.append(_PART.format(table=table, spans=spans, name=name, conditions=conditions))
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(parts=" UNION ALL ".join(texts)), values)
        return [Slice(*row) for row in cursor.fetchall()]


def _parts(span: Span, since: datetime, *, has_totals: bool) -> Iterator[tuple[str, str, datetime, datetime]]:
    """Which table covers which time: its name, the lengths of its rows, from when, until when. Long rows come first."""
    rows = ", ".join(str(length.value) for length in Usage.Span)
    for length in reversed(UsageTotal.Span):
        covered = usage_totals.covered(length) if has_totals and span.bin % length == 0 else None
        if covered is None or covered[1] <= since:
            continue
        if covered[0] > since:
            yield "gateway_usage", rows, since, covered[0]
        yield "gateway_usagetotal", str(length.value), max(since, covered[0]), covered[1]
        since = covered[1]
    yield "gateway_usage", rows, since, _LATER


def begin(span: Span, now: datetime) -> int:
    """Start of the first bin, in seconds since 1970. The last bin is the one in progress."""
    last = int(now.timestamp()) // span.bin * span.bin
    return last - int(span.length.total_seconds()) + span.bin


def added_up(parts: Iterable[Slice], by: Callable[[Slice], str]) -> list[Figures]:
    """One sum for each name that `by` returns, the busiest first."""
    found: dict[str, Figures] = {}
    for part in parts:
        found.setdefault(by(part), Figures(by(part))).add(part)
    return sorted(found.values(), key=lambda one: (-one.sent, -one.errors, one.name))
