"""Usage of all tenants added up, by half hours and by three hours: what the usage page reads for a day and longer.

`gateway.tidy` adds up each bin some minutes after its end. What is later than the last bin is read from the usage rows
themselves, so the page never waits for this. Counts that a process could write only later (it was cut off from the
database) are in the usage rows at once, and in the totals when their minutes become hours (`stats.upkeep`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min

from integrations.gateway.histogram import SIZE
from integrations.gateway.models import Usage, UsageTotal

MINUTES_KEPT = timedelta(days=2)
_LATE = timedelta(minutes=2)  # after the end of a bin: processes write their counts every few seconds
_AT_ONCE = 200  # bins per run; the next run continues
_AGAIN = 2  # bins that each run adds up again
_SAME = "app_id, operation, job, lane, code"
_ADD_UP = f"""
INSERT INTO gateway_usagetotal (span, at, {_SAME}, calls, spent, slowest_ms, buckets)
SELECT %(span)s, %(at)s, {_SAME}, sum(calls), sum(spent), max(slowest_ms),
  ARRAY[{", ".join(f"sum(buckets[{n}])" for n in range(1, SIZE + 1))}]::bigint[]
FROM gateway_usage WHERE span IN ({Usage.Span.MINUTE.value}, {Usage.Span.HOUR.value}) AND at >= %(at)s AND at < %(end)s
GROUP BY {_SAME}
"""  # noqa: S608 - nothing in it comes from outside


def add_up_due(now: datetime) -> bool:
    """Add up the bins that have ended, the oldest first, and delete the totals that have expired.

    Returns whether there is more to do: a run takes only so many.
    """
    is_more = False
    for span, kept in _kept().items():
        due = _due(span, now, kept)
        for at in due:
            add_up(span, at)
        is_more |= len(due) == _AT_ONCE
        UsageTotal.objects.filter(span=span, at__lt=now - kept).delete()
    return is_more


def add_up(span: UsageTotal.Span, at: datetime) -> None:
    """Add up one bin again. `at` is its start."""
    end = at + timedelta(seconds=span)
    with transaction.atomic(), connection.cursor() as cursor:
        UsageTotal.objects.filter(span=span, at=at).delete()
        cursor.execute(_ADD_UP, {"span": span.value, "at": at, "end": end})


def add_up_hour(hour: datetime) -> None:
    """Add up the three hours around an hour whose minutes have just become one row each, if that was done before."""
    at = bin_of(UsageTotal.Span.THREE_HOURS, hour)
    if (found := covered(UsageTotal.Span.THREE_HOURS)) and at < found[1]:
        add_up(UsageTotal.Span.THREE_HOURS, at)


def covered(span: UsageTotal.Span) -> tuple[datetime, datetime] | None:
    """From when until when there are totals; None before the first one."""
    starts = UsageTotal.objects.filter(span=span).values_list("at", flat=True)
    first, last = starts.order_by("at").first(), starts.order_by("-at").first()
    return None if first is None or last is None else (first, last + timedelta(seconds=span))


def bin_of(span: UsageTotal.Span, at: datetime) -> datetime:
    """The start of the bin that has this moment."""
    return datetime.fromtimestamp(int(at.timestamp()) // span * span, UTC)


def _kept() -> dict[UsageTotal.Span, timedelta]:
    """How long the totals of each span are kept. Half hours are added up from minutes alone."""
    whole = timedelta(days=settings.USAGE_RETENTION_DAYS)
    return {UsageTotal.Span.HALF_HOUR: MINUTES_KEPT, UsageTotal.Span.THREE_HOURS: whole}


def _due(span: UsageTotal.Span, now: datetime, kept: timedelta) -> list[datetime]:
    length = timedelta(seconds=span)
    if (found := covered(span)) is not None:
        first = max(found[0], found[1] - _AGAIN * length)
    elif (oldest := _oldest_usage()) is not None:
        first = max(bin_of(span, oldest), bin_of(span, now - kept) + length)
    else:
        return []
    number = (bin_of(span, now - _LATE) - first) // length
    return [first + length * index for index in range(min(number, _AT_ONCE))]


def _oldest_usage() -> datetime | None:
    found = [Usage.objects.filter(span=span).aggregate(at=Min("at"))["at"] for span in Usage.Span]
    return min((at for at in found if at is not None), default=None)
