"""The messages: by the names that other rooms use, tolerant of arguments to come, and only as many as needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app

from integrations.core import clock
from integrations.sync import tasks
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
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
    assert {"sync.plan", "sync.forget", "sync.advance", "sync.sweep"} <= set(current_app.tasks)
    assert "sync.sweep" in {entry["task"] for entry in current_app.conf.beat_schedule.values()}


def test_an_install_becomes_runs(
    installation: Installation, sent: Sent, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tasks.plan(app_id=installation.app_id, location_id=LOCATION, something_new=1)
    run = Run.objects.get()
    assert sent == [("sync.advance", {"run_id": run.pk})]


def test_an_uninstall_becomes_nothing(plan: Plan) -> None:
    Installation.objects.update(status=Installation.Status.UNINSTALLED)
    tasks.forget(app_id=plan.app_id, location_id=LOCATION, something_new=1)
    assert not Plan.objects.exists()


def test_a_sweep_with_nothing_due_is_cheap(plan: Plan, at: Any, django_assert_max_num_queries: Any) -> None:
    at(datetime(2026, 11, 1, 12, 0, 30, tzinfo=UTC))
    with django_assert_max_num_queries(4):  # two of them are the transaction's savepoint
        tasks.sweep()


def test_the_sweep_starts_what_is_due_and_wakes_what_was_left(
    plan: Plan, sent: Sent, at: Any, django_capture_on_commit_callbacks: Any
) -> None:
    left = start(plan)
    now = clock.now() + Run.lease_term + timedelta(seconds=1)
    at(now.replace(second=30))
    Run.objects.update(lease_until=now - timedelta(minutes=2))
    due = Plan.objects.create(app=plan.app, location_id="other", resource="contacts", due_at=now, created_at=now)
    Plan.objects.filter(pk=due.pk).update(due_at=now - timedelta(minutes=2))
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            tasks.sweep()
    started = Run.objects.get(plan=due)
    assert sorted(kwargs["run_id"] for name, kwargs in sent if name == "sync.advance") == sorted((left.pk, started.pk))
    assert {name for name, _ in sent} == {"sync.advance"}


def test_once_a_minute_the_sweep_looks_for_strays(
    installation: Installation, sent: Sent, at: Any, django_capture_on_commit_callbacks: Any
) -> None:
    for second, expected in ((30, []), (1, [("sync.plan", {"app_id": installation.app_id, "location_id": LOCATION})])):
        at(datetime(2026, 11, 1, 12, 0, second, tzinfo=UTC))
        with django_capture_on_commit_callbacks(execute=True):
            tasks.sweep()
        assert sent == expected


def test_without_a_broker_there_is_no_telling_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(current_app.control, "ping", away)
    assert tasks.workers() is None
