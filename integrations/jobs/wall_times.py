"""Times on the wall clock of a tenant: `at="20:00"`, `cron="30 8 * * mon-fri"`, and the next such moment.

The clock of a zone changes twice a year. A time that it leaves out in spring comes that much later: 02:30 is 03:30 on
that day. A time that it shows twice in autumn is meant once, the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from integrations.core import texts
from integrations.core.errors import BadRequest
from integrations.core.runs import cron_fields

_LONGEST_SEARCH = 366 * 8 + 1  # days; 29 February may be eight years away


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Minutes, hours, days, months and weekdays (0 is Sunday). `text` is how the job was declared."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime, zone: tzinfo) -> datetime:
        """The first moment after `moment` at which the clock of `zone` shows one of the times, in UTC."""
        day = moment.astimezone(zone).date()
        for _ in range(_LONGEST_SEARCH):
            if self._is_on(day) and (later := [at for at in self._on(day, zone) if at > moment]):
                return min(later)
            day += timedelta(days=1)
        raise BadRequest(f"{self.text} names no day that exists")

    def _is_on(self, day: date) -> bool:
        """As cron has it: where both are restricted, the day of the month or the weekday has to fit."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        restricted = len(self.days) < 31 and len(self.weekdays) < 7
        return of_month or of_week if restricted else of_month and of_week

    def _on(self, day: date, zone: tzinfo) -> list[datetime]:
        times = (time(hour, minute, tzinfo=zone) for hour in self.hours for minute in self.minutes)
        return [datetime.combine(day, at).astimezone(UTC) for at in times]


def daily(at: str) -> WallTimes:
    """Every day at a time such as "20:00". Raises BadRequest for another text."""
    hour, _, minute = at.partition(":")
    hours, minutes = texts.whole(hour, 23), texts.whole(minute, 59)
    if hours is None or minutes is None:
        raise BadRequest(f'at={at[:20]!r} is no time: write it as "20:00"')
    return cron(f"{minutes} {hours} * * *", text=f"at {at}")


def cron(expression: str, *, text: str = "") -> WallTimes:
    """The times of a cron expression. Raises BadRequest when it cannot be read, or names no day that exists."""
    times = WallTimes(text or f"cron {expression}", *cron_fields.parse(expression))
    times.next_after(datetime(2024, 1, 1, tzinfo=UTC), UTC)
    return times
