"""Jobs at times on the wall clock of their location: clock changes, downtime, cron; and the memory of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.jobs import job_run, runs, schedules, wall_times
from integrations.jobs.models import Run, Schedule
from integrations.sync.models import Record
from integrations.tenants import time_zones
from integrations.tenants.models import App
from tests.jobs.conftest import Defined
from tests.support.signed import sign

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("times", "after", "expected"),
    [
        (wall_times.daily("20:00"), "2026-07-01T12:00", "2026-07-01T18:00"),
        (wall_times.daily("20:00"), "2026-07-01T18:00", "2026-07-02T18:00"),
        (wall_times.daily("20:00"), "2026-12-01T12:00", "2026-12-01T19:00"),
        # 29 March 2026: 02:00 becomes 03:00, so there is no 02:30.
        (wall_times.daily("02:30"), "2026-03-28T12:00", "2026-03-29T01:30"),
        (wall_times.daily("02:30"), "2026-03-29T01:30", "2026-03-30T00:30"),
        # 25 October 2026: 03:00 becomes 02:00, so 02:30 comes twice.
        (wall_times.daily("02:30"), "2026-10-24T12:00", "2026-10-25T00:30"),
        (wall_times.daily("02:30"), "2026-10-25T00:30", "2026-10-26T01:30"),
        (wall_times.cron("*/20 8-9 * * mon-fri"), "2026-11-27T08:45", "2026-11-30T07:00"),
        (wall_times.cron("0 0 1 * sun"), "2026-11-25T00:00", "2026-11-28T23:00"),
        (wall_times.cron("0 12 29 2 *"), "2026-01-01T00:00", "2028-02-29T11:00"),
    ],
)
def test_the_next_time_on_a_clock_in_berlin(times: Any, after: str, expected: str) -> None:
    found = times.next_after(datetime.fromisoformat(after).replace(tzinfo=UTC), BERLIN)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "24:00"},
        {"at": "8"},
        {"cron": "* * *"},
        {"cron": "99 * * * *"},
        {"cron": "x * * * *"},
        {"cron": "0 0 31 2 *"},
        {"at": "08:00", "cron": "0 8 * * *"},
        {"catch_up": timedelta(hours=1)},
    ],
)
def test_a_time_that_makes_no_sense_is_refused(defined: Defined, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        defined(lambda run: None, **wrong)


def test_the_zone_of_a_location_is_its_synced_one(app: App, location: str) -> None:
    tenant = Tenant.location(location)
    assert time_zones.zone_of(app.pk, tenant) is UTC
    now = clock.now()
    row = {"app": app, "location_id": location, "resource": "locations", "record_id": location}
    record = Record.objects.create(**row, payload={"timezone": "Europe/Berlin"}, version_at=now, updated_at=now)
    assert time_zones.zone_of(app.pk, tenant) == BERLIN
    for broken in ("Nowhere/Land", "../etc/passwd", "", 5):
        record.payload = {"timezone": broken}
        record.save()
        assert time_zones.zone_of(app.pk, tenant) is UTC
    assert time_zones.zone_of(app.pk, Tenant.company("any")) is UTC


def test_what_was_missed_is_caught_up_once_or_skipped(defined: Defined, location: str) -> None:
    job = defined(lambda run: None, at="20:00", catch_up=timedelta(hours=2))
    evening = clock.now().replace(hour=20, minute=0, second=0, microsecond=0) + timedelta(days=1)
    schedules.create_missing(evening - timedelta(hours=1))
    schedule = Schedule.objects.get(job=job.name)
    assert schedule.due_at == evening, "not at once, as an interval does"
    with time_machine.travel(evening + timedelta(hours=1)):
        (run,) = schedules.start_due(clock.now())
        runs.advance(run)
    schedule.refresh_from_db()
    assert schedule.due_at == evening + timedelta(days=1)
    late = evening + timedelta(days=3, hours=3)
    assert schedules.start_due(late) == []
    schedule.refresh_from_db()
    assert schedule.due_at == evening + timedelta(days=4)


def test_memory_outlives_a_run(defined: Defined, location: str) -> None:
    seen = []

    def remember(run: Any) -> None:
        seen.append(run.memory)
        run.memory = {"runs": (run.memory or {"runs": 0})["runs"] + 1}

    job = defined(remember, every=timedelta(hours=1))
    for _ in range(2):
        schedules.create_missing(clock.now())
        Schedule.objects.filter(job=job.name).update(due_at=clock.now())
        sign(Schedule)
        for run in schedules.start_due(clock.now()):
            runs.advance(run)
    assert seen == [None, {"runs": 1}]
    assert [run.status for run in Run.objects.all()] == ["complete"] * 2
    assert Schedule.objects.get(job=job.name).memory == {"runs": 2}


def test_memory_is_bounded() -> None:
    with pytest.raises(BadRequest, match="at most"):
        job_run.JobRun.memory.fset(SimpleNamespace(), "x" * job_run.LARGEST_MEMORY)  # type: ignore[attr-defined]
