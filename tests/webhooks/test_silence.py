"""Webhook silence: what was regular and stopped alarms; quiet nights, weekends, small and new tenants do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from integrations.console.doctor.findings import Level
from integrations.console.doctor.silence_check import webhook_silence
from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.tenants.models import App, Installation, Location
from integrations.webhooks import stopped_events
from integrations.webhooks.models import Event, Mailbox

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def receive(box: Mailbox, moments: Iterable[datetime], until: datetime, kind: str = "ContactUpdate") -> None:
    """An event at each of these moments before `until`."""
    Event.objects.bulk_create(
        Event(
            app_id=box.app_id,
            mailbox=box,
            webhook_id=f"{box.tenant}-{at.isoformat()}",
            type=kind,
            payload={},
            status="done",
            occurred_at=at,
            received_at=at,
            due_at=at,
        )
        for at in moments
        if at < until
    )


def every(step: timedelta, when: Callable[[datetime], bool] = lambda _: True, *, days: int = 20) -> list[datetime]:
    """Moments from `days` before MONDAY to ten days after it."""
    start = MONDAY - days * DAY
    return [at for at in (start + n * step for n in range((days + 10) * DAY // step)) if when(at)]


def at_office_hours(at: datetime) -> bool:
    return at.weekday() < 5 and 8 <= at.hour < 18


def tenant(app: App, location_id: str, status: str = "installed") -> Mailbox:
    now = clock.now()
    location = Location.objects.create(id=location_id, name=f"Studio {location_id}", created_at=now)
    Installation.objects.create(
        app=app,
        user_type=UserType.LOCATION,
        resource_id=location_id,
        location=location,
        status=status,
        origin="bulk",
        status_at=now,
        created_at=now,
    )
    return Mailbox.objects.create(app=app, tenant=f"location:{location_id}")


def silent(now: datetime) -> list[str]:
    return [f"{one.app if not one.tenant else one.tenant}{' likely' if one.is_likely else ''}" for one in both(now)]


def both(now: datetime) -> list[stopped_events.Silence]:
    apps = stopped_events.apps(now)
    return apps + stopped_events.tenants(now, [one.app_id for one in apps])


@pytest.mark.slow
def test_a_busy_app_that_falls_silent_alarms_within_hours_and_is_over_with_the_next_event(app: App) -> None:
    box = tenant(app, "loc1")
    receive(box, every(timedelta(minutes=10)), until=MONDAY)
    assert [silent(MONDAY + hours * HOUR) for hours in (0, 1, 2)] == [[], [], []]
    assert silent(MONDAY + 3 * HOUR) == [app.name], "its tenants have the same cause and are not named"
    with time_machine.travel(MONDAY + 3 * HOUR, tick=False):
        [alarm] = webhook_silence()
        assert (alarm.level, alarm.link) == (Level.FAILED, f"/admin/webhooks/event/?app__id__exact={app.pk}")
        assert "no event for 3 h; before, at most 10 min went without" in alarm.found
        assert "https://app.example.com/webhooks/" in alarm.fix
        receive(box, [clock.now()], until=clock.now() + HOUR)
        assert [one.level for one in webhook_silence()] == [Level.OK]
    assert silent(MONDAY + stopped_events.HISTORY + 4 * HOUR) == [], "what lasts for two weeks is the new habit"


@pytest.mark.slow
def test_visits_of_strangers_hide_no_silence_and_raise_none(app: App) -> None:
    visits = Mailbox.objects.create(app=app, tenant="app")
    receive(visits, every(timedelta(minutes=10)), MONDAY, kind="ExternalBilling/plans")
    assert silent(MONDAY + 3 * HOUR) == [], "they stop"
    receive(tenant(app, "loc1"), every(timedelta(minutes=12)), until=MONDAY)
    last = MONDAY + 3 * HOUR
    receive(visits, [last - n * timedelta(minutes=7) for n in range(25)], last, kind="ExternalBilling/plans")
    assert silent(last) == [app.name], "they go on"


@pytest.mark.slow
def test_nights_weekends_and_a_holiday_do_not_alarm_but_what_is_longer_does(app: App) -> None:
    """Of the app one hour without events at the office is likely silence, as a holiday is."""
    box = tenant(app, "loc1")
    receive(box, every(timedelta(minutes=4), at_office_hours), until=MONDAY - 2 * DAY)
    assert silent(MONDAY - 2 * DAY) == silent(MONDAY + 8 * HOUR) == [], "the weekend"
    assert silent(MONDAY + 10 * HOUR) == []
    assert silent(MONDAY + 11 * HOUR) == [f"{app.name} likely"], "Monday at eleven"
    assert silent(MONDAY + 20 * HOUR) == [f"{app.name} likely"], "a tenant of it has had a holiday at most"
    assert silent(MONDAY + 2 * DAY) == [app.name]


@pytest.mark.parametrize(
    ("moments", "why"),
    [
        (every(31 * HOUR), "one event in a day or two"),
        ([at + n * timedelta(minutes=1) for at in every(9 * DAY) for n in range(300)], "a burst now and then"),
        (every(timedelta(minutes=20), days=5), "no weekend was seen"),
        (every(HOUR, lambda at: at.toordinal() % 4 < 1 and at.hour < 12), "long pauses are usual"),
    ],
)
def test_in_doubt_there_is_no_silence(app: App, moments: list[datetime], why: str) -> None:
    receive(tenant(app, "loc1"), moments, until=MONDAY)
    assert {tuple(silent(MONDAY + hours * HOUR)) for hours in (1, 12, 30, 50)} == {()}, why


@pytest.mark.slow
def test_one_tenant_of_many_falls_silent(app: App) -> None:
    for name, status in (("quiet", "installed"), ("gone", "uninstalled")):
        receive(tenant(app, name, status), every(HOUR), until=MONDAY)
    receive(tenant(app, "loud"), every(HOUR), until=MONDAY + 2 * DAY)
    receive(Mailbox.objects.create(app=app, tenant="app"), every(HOUR), until=MONDAY)
    assert [silent(MONDAY + hours * HOUR) for hours in (3, 14)] == [[], []]
    assert silent(MONDAY + 16 * HOUR) == ["location:quiet"]
    with time_machine.travel(MONDAY + 30 * HOUR, tick=False), CaptureQueriesContext(connection) as asked:
        [alarm] = webhook_silence()
    assert (alarm.level, alarm.link) == (Level.WARNING, "/admin/tenants/location/quiet/change/")
    assert "Studio quiet: no event for 31 h" in alarm.found or "Studio quiet: no event for 30 h" in alarm.found
    assert len(asked) <= 6, "not one for each tenant"


@pytest.mark.slow
def test_many_silent_tenants_are_counted_and_short_retention_is_not_called_calm(app: App, settings: Settings) -> None:
    for number in range(7):
        receive(tenant(app, f"loc{number}"), every(HOUR), until=MONDAY)
    receive(tenant(app, "loud"), every(HOUR), until=MONDAY + 2 * DAY)
    with time_machine.travel(MONDAY + 20 * HOUR, tick=False):
        assert [one.level for one in webhook_silence()] == [Level.WARNING] * 6
        assert "2 more tenants" in list(webhook_silence())[-1].found
        settings.WEBHOOK_RETENTION_DAYS = 7
        [unknown] = webhook_silence()
    assert (unknown.level, "WEBHOOK_RETENTION_DAYS" in unknown.fix) == (Level.UNKNOWN, True)


@pytest.mark.slow
def test_slots_are_read_by_the_indexes_of_the_latest_events(app: App, other_app: App) -> None:
    box = tenant(app, "loc1")
    receive(box, every(HOUR), until=MONDAY)
    for number in range(20):  # so many that the planner has one right choice
        receive(Mailbox.objects.create(app=other_app, tenant=f"location:other{number}"), every(HOUR), until=MONDAY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE webhooks_event")
        for column, index, pk in (("app_id", "app", app.pk), ("mailbox_id", "tenant", box.pk)):
            values = {
                "ids": [pk],
                "latest": [MONDAY],
                "slot": stopped_events.TENANT_SLOT,
                "history": stopped_events.HISTORY,
                "visits": "ExternalBilling",
            }
            cursor.execute("EXPLAIN " + stopped_events._HEARD.format(column=column), values)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert f"event_latest_of_{index}" in plan, plan
