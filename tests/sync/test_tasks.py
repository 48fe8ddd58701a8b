"""The messages: by the names that other rooms use, tolerant of arguments to come, and only as many as needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app

from integrations.core import clock
from integrations.sync import runs, tasks
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from tests.plugin.dispatch import send_due
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, start

Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The messages that were to be sent, instead of a broker."""
    found: Sent = []
    monkeypatch.setattr(current_app, "send_task", lambda name, kwargs, **_: found.append((name, kwargs)))
    return found


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


def test_they_are_registered_under_the_names_others_use() -> None:
    assert {"sync.follow", "sync.advance", "sync.sweep"} <= set(current_app.tasks)
    assert "sync.sweep" in {entry["task"] for entry in current_app.conf.beat_schedule.values()}


def test_an_install_starts_runs(installation: Installation) -> None:
    Installation.objects.sync_at(clock.now())
    tasks.follow(installation_id=installation.pk, something_new=1)
    assert runs.take_due(100, clock.now()) == [Run.objects.get().pk]


def test_an_uninstall_becomes_nothing(plan: Plan, installation: Installation) -> None:
    Installation.objects.update(status=Installation.Status.UNINSTALLED)
    Installation.objects.sync_at(clock.now())
    tasks.follow(installation_id=installation.pk, something_new=1)
    assert not Plan.objects.exists()


def test_a_look_with_nothing_due_is_cheap(plan: Plan, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(4):  # two of them are the transaction's savepoint
        assert send_due("sync runs") == 0


def test_what_is_due_is_started_and_sent_and_so_is_what_was_left(plan: Plan, at: Any, clean_redis: object) -> None:
    left = start(plan)
    now = clock.now() + Run.lease_term + timedelta(seconds=1)
    at(now.replace(second=30))
    Run.objects.update(lease_owner="queued", lease_until=now - timedelta(minutes=2))
    due = Plan.objects.create(app=plan.app, location_id="other", resource="contacts", due_at=now, created_at=now)
    Plan.objects.filter(pk=due.pk).update(due_at=now - timedelta(minutes=2))
    sign(Plan)
    assert [send_due("sync runs") for _ in range(2)] == [2, 0]
    started = Run.objects.get(plan=due)
    assert set(Run.objects.filter(lease_owner="queued").values_list("pk", flat=True)) == {left.pk, started.pk}


def test_the_sweep_makes_missing_plans_and_deletes_plans_of_uninstalled_locations_without_messages(
    installation: Installation, sent: Sent, at: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """Workers may be busy for long: a message of every sweep would lie in front of them."""
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
        assert Plan.objects.filter(location_id=LOCATION).exists()
        Installation.objects.filter(pk=installation.pk).update(status=Installation.Status.UNINSTALLED)
        Run.objects.all().delete()
        tasks.sweep()
    assert not Plan.objects.filter(location_id=LOCATION).exists()
    assert sent == []


def test_without_a_broker_there_is_no_telling_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(current_app.control, "ping", away)
    assert tasks.workers() is None
