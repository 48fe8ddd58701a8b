"""What goes after its time, what stays, and what a replay says of what is gone."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from integrations.core import clock
from integrations.core.sql import batched_deletion
from integrations.jobs.models import Schedule, Trigger
from integrations.webhooks import retention, tasks
from integrations.webhooks.models import Event, FailedAttempt

Stored = Callable[..., Event]
DAY = timedelta(days=1)


def left() -> set[str]:
    return set(Event.objects.values_list("webhook_id", flat=True))


@pytest.mark.django_db
def test_settled_events_go_after_their_time_and_no_others(stored: Stored) -> None:
    old, young = clock.now() - 31 * DAY, clock.now() - 29 * DAY
    for status in Event.Status.values:
        stored(status=status, received_at=old, webhook_id=f"old {status}")
        stored(status=status, received_at=young, webhook_id=f"young {status}")
    assert retention.tidy(clock.now()) == 2
    assert left() == {f"young {status}" for status in Event.Status.values} | {"old pending", "old poisoned"}


@pytest.mark.django_db
def test_failed_attempts_go_with_their_event_and_at_its_age(stored: Stored) -> None:
    now = clock.now()
    settled = stored(1, status="done", received_at=now - 31 * DAY)
    poisoned = stored(2, status="poisoned", received_at=now - 31 * DAY)
    for event in (settled, poisoned):
        for days in (29, 31):
            event.failed_attempts.create(number=days, at=now - days * DAY, error_code="x")
    assert retention.tidy(now) == 1
    assert [(one.event_id, one.number) for one in FailedAttempt.objects.all()] == [(poisoned.pk, 29)]


@pytest.mark.django_db
def test_how_long_is_a_setting(stored: Stored, settings: Settings) -> None:
    settings.WEBHOOK_RETENTION_DAYS = 7
    for days in (6, 8):
        stored(status="done", received_at=clock.now() - days * DAY, webhook_id=f"{days} days")
    tasks.tidy()
    assert left() == {"6 days"}


@pytest.mark.django_db
def test_all_that_is_old_goes_in_batches(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_deletion, "BATCH", 2)
    for number in range(5):
        stored(number, status="done", received_at=clock.now() - 40 * DAY)
    stored(9, status="done", webhook_id="today's")
    assert retention.tidy(clock.now()) == 5
    assert left() == {"today's"}


@pytest.mark.django_db
def test_what_should_have_gone_is_told_but_not_what_has_a_reason_to_stay(stored: Stored) -> None:
    now = clock.now()
    assert retention.overdue(now) == timedelta()
    for number, status in enumerate(("pending", "poisoned", "done", "ignored")):
        stored(number, status=status, received_at=now - (34 - number) * DAY)
    assert retention.overdue(now) == 2 * DAY
    retention.tidy(now)
    assert retention.overdue(now) == timedelta()


@pytest.mark.django_db
def test_a_turn_ends_when_its_time_is_over(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_deletion, "BATCH", 1)
    monkeypatch.setattr(retention, "TURN_SECONDS", 0.0)
    stored(status="done", received_at=clock.now() - 40 * DAY)
    assert retention.tidy(clock.now()) == 0
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_an_event_that_a_job_has_yet_to_see_stays(stored: Stored) -> None:
    event = stored(status="done", received_at=clock.now() - 40 * DAY)
    schedule = Schedule.objects.create(app=event.app, job="j", level="Location", tenant_id="l", created_at=clock.now())
    trigger = Trigger.objects.create(schedule=schedule, event=event)
    assert retention.tidy(clock.now()) == 0
    trigger.delete()
    assert retention.tidy(clock.now()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_passed_over(stored: Stored) -> None:
    held, free = (stored(n, status="done", received_at=clock.now() - 40 * DAY, webhook_id=str(n)) for n in range(2))
    deleted: list[int] = []

    def tidy() -> None:
        deleted.append(retention.tidy(clock.now()))
        connection.close()

    with transaction.atomic():
        Event.objects.select_for_update().get(pk=held.pk)
        other = threading.Thread(target=tidy)
        other.start()
        other.join(60)
    assert deleted == [1]
    assert left() == {held.webhook_id} == {"0"} != {free.webhook_id}


def replay(*arguments: str) -> tuple[str, str]:
    output, errors = io.StringIO(), io.StringIO()
    call_command("replay", *arguments, stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


@pytest.mark.django_db
def test_a_replay_says_where_the_inbox_begins(stored: Stored) -> None:
    stored(type="Tested", status="done", received_at=clock.now() - 10 * DAY)
    output, errors = replay("--since", "20d", "--json")
    assert (json.loads(output)["events"], errors) == (1, "")
    output, errors = replay("--since", "40d", "--json")
    assert json.loads(output)["events"] == 1
    assert "kept for 30 days" in errors


@pytest.mark.django_db
def test_a_replay_of_what_is_gone_says_so(stored: Stored) -> None:
    stored(status="done", received_at=clock.now() - 40 * DAY, webhook_id="gone")
    retention.tidy(clock.now())
    with pytest.raises(CommandError, match="kept for 30 days"):
        replay("--id", "gone")


@pytest.mark.django_db
def test_a_poisoned_event_can_be_replayed_however_old(stored: Stored) -> None:
    poisoned = stored(status="poisoned", received_at=clock.now() - 400 * DAY)
    retention.tidy(clock.now())
    replay("--id", poisoned.webhook_id)
    poisoned.refresh_from_db()
    assert poisoned.status == "pending"
