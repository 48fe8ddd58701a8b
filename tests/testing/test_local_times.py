"""A job at a time of day, end to end: the zone of the synced location, a change of it, and changes of the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from hlapp.api import JobRun, background_job
from hlapp.testing import kit
from hlapp.testing.kit import HighLevel
from integrations.core import clock
from integrations.jobs import define, schedules
from integrations.jobs.models import Schedule
from integrations.tenants import time_zones

BERLIN = ZoneInfo("Europe/Berlin")
HALF_HOUR = timedelta(minutes=30)
Ran = list[datetime]


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    """Its location is in the synced copy, and so is its time zone."""
    for highlevel in kit.play(monkeypatch):
        highlevel.sync("locations")
        yield highlevel


@pytest.fixture
def job() -> Iterator[Callable[[str], Ran]]:
    """Defines a job at a time of day; the moments at which it runs."""
    before = dict(define.JOBS)

    def defined(at: str) -> Ran:
        ran: Ran = []

        @background_job("kit.daily", at=at)
        def daily(run: JobRun) -> None:
            ran.append(clock.now())

        return ran

    yield defined
    define.JOBS.clear()
    define.JOBS.update(before)


def zone(highlevel: HighLevel) -> tzinfo:
    return time_zones.zone_of(highlevel.app.pk, highlevel.tenant)


def go_to(highlevel: HighLevel, moment: datetime) -> None:
    """Work at that moment, as workers do that slept until then."""
    highlevel.advance(moment - clock.now())
    schedules.create_missing(clock.now())
    highlevel.run_due_jobs()


def due() -> datetime:
    moment = Schedule.objects.get(job="kit.daily").due_at
    assert moment is not None
    return moment


def shown(moments: Ran, where: tzinfo) -> list[str]:
    """On the clock of the place, by the half hour in which workers looked."""
    return [f"{moment.astimezone(where):%d %b %H:%M}" for moment in moments]


def through_the_night(highlevel: HighLevel, ran: Ran, noon: datetime) -> list[str]:
    """Look every half hour from that noon on for two nights; when the job ran, on the clock of Berlin."""
    go_to(highlevel, noon)
    ran.clear()
    for step in range(1, 96):
        go_to(highlevel, noon + step * HALF_HOUR)
    return shown(ran, BERLIN)


def test_it_runs_at_that_time_where_the_synced_location_is(highlevel: HighLevel, job: Callable[[str], Ran]) -> None:
    ran, here = job("20:00"), zone(highlevel)
    assert here is not UTC, "the sandbox's location has a zone"
    schedules.create_missing(clock.now())
    evening = due()
    assert shown([evening], here)[0].endswith("20:00")
    go_to(highlevel, evening - timedelta(minutes=1))
    assert ran == []
    go_to(highlevel, evening + timedelta(minutes=1))
    assert len(ran) == 1
    assert due().astimezone(here).date() - evening.astimezone(here).date() == timedelta(days=1)
    assert shown([due()], here)[0].endswith("20:00")


def test_a_changed_zone_counts_from_the_run_after_the_next(highlevel: HighLevel, job: Callable[[str], Ran]) -> None:
    ran, here = job("20:00"), zone(highlevel)
    schedules.create_missing(clock.now())
    evening = due()
    moved = "Europe/Berlin" if here != BERLIN else "Asia/Tokyo"
    highlevel.deliver("LocationUpdate", id=highlevel.location, timezone=moved)
    assert zone(highlevel) == ZoneInfo(moved)
    assert due() == evening, "this one is set already"
    go_to(highlevel, evening)
    assert len(ran) == 1
    assert shown([due()], ZoneInfo(moved))[0].endswith("20:00")


@pytest.mark.slow
def test_a_time_that_the_clock_leaves_out_comes_later_and_one_that_it_shows_twice_comes_once(
    highlevel: HighLevel, job: Callable[[str], Ran]
) -> None:
    ran = job("02:30")
    highlevel.deliver("LocationUpdate", id=highlevel.location, timezone="Europe/Berlin")
    year = clock.now().year + 1
    spring = _last_sunday(year, 3) - timedelta(hours=12)
    assert through_the_night(highlevel, ran, spring) == [
        f"{spring + timedelta(days=1):%d %b} 03:30",
        f"{spring + timedelta(days=2):%d %b} 02:30",
    ]
    autumn = _last_sunday(year, 10) - timedelta(hours=12)
    assert through_the_night(highlevel, ran, autumn) == [
        f"{autumn + timedelta(days=1):%d %b} 02:30",
        f"{autumn + timedelta(days=2):%d %b} 02:30",
    ]


def _last_sunday(year: int, month: int) -> datetime:
    """Midnight in UTC of the day on which the clock changes in Europe."""
    last = datetime(year, month, 31, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
