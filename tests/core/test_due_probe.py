"""One statement says which due sources have rows, and the dispatcher looks at no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from integrations.core import dispatch
from integrations.core.dispatch import SOURCES, DueSource, Sender
from integrations.core.due_probe import DueProbe, DueRows
from integrations.core.models import WorkerProcess
from integrations.sync.models import Plan
from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Mailbox

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
pytestmark = pytest.mark.django_db


def probe() -> DueProbe:
    return DueProbe({source.name: source.due_rows for source in SOURCES.values() if source.due_rows})


def test_every_source_with_rows_is_in_the_statement_and_none_is_due_in_an_empty_database() -> None:
    assert {source.name for source in SOURCES.values() if source.due_rows is None} == {"alerts"}
    with CaptureQueriesContext(connection) as queries:
        assert probe().find(NOW) == frozenset()
    assert len(queries) == 1


def test_a_row_shows_its_source_from_its_due_time_on() -> None:
    """The same statement is asked again and again, with another time."""
    app = App.objects.create(client_id="66a0419a0dffa47fb5f8b22f-probe001", name="Probe", created_at=NOW)
    location = Installation.objects.create(
        app=app,
        user_type="Location",
        resource_id="loc1",
        origin="event",
        status="installed",
        status_at=NOW,
        created_at=NOW,
    )
    Mailbox.objects.create(app=app, tenant="location:loc1", due_at=LATER)
    Plan.objects.create(app=app, location_id="loc1", resource="contacts", due_at=LATER, created_at=NOW)
    asked = probe()
    assert asked.find(NOW) == frozenset()
    assert asked.find(LATER) == {"mailboxes", "sync runs"}
    Installation.objects.filter(pk=location.pk).update(reconcile_due_at=LATER, sync_due_at=LATER)
    assert asked.find(LATER) == {"mailboxes", "sync runs", "installations", "sync plans"}
    assert asked.find(NOW) == frozenset()


class Looks:
    """Sources that note when the dispatcher looks at them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def source(self, name: str, due_rows: DueRows) -> DueSource:
        return DueSource(
            name=name,
            task="room.verb",
            argument="row_id",
            take=lambda limit, now: self._note(name),
            find_unstarted=lambda sent: (),
            make_due_again=lambda ids, now: None,
            due_rows=due_rows,
        )

    def _note(self, name: str) -> list[int]:
        self.names.append(name)
        return []


def seen_by(name: str) -> DueRows:
    return lambda now: [WorkerProcess.objects.filter(name=name, seen_at__lte=now)]


def test_the_dispatcher_looks_only_at_sources_with_due_rows() -> None:
    for name, seen_at in [("a", NOW), ("b", LATER)]:
        WorkerProcess.objects.report(name, threads=1, queues=[], now=seen_at)
    looks = Looks()
    sending = Sender({name: looks.source(name, seen_by(name)) for name in "abc"})
    sending.send_due(NOW)
    assert looks.names == ["a"]
    sending.send_due(LATER)
    assert looks.names == ["a", "a", "b"]


def test_a_source_with_messages_in_flight_is_looked_at_without_due_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a message would count as in flight for ever."""
    monkeypatch.setattr(dispatch, "deliver", lambda *args, **kwargs: None)
    sent = [[1]]
    source = replace(
        Looks().source("a", seen_by("a")),
        take=lambda limit, now: sent.pop() if sent else [],
    )
    WorkerProcess.objects.report("a", threads=1, queues=[], now=NOW)
    sending = Sender({"a": source})
    sending.send_due(NOW)
    assert sending.unstarted_count() == 1
    WorkerProcess.objects.all().delete()
    sending.send_due(NOW)
    assert sending.unstarted_count() == 0


def test_a_broken_condition_holds_up_no_source(caplog: pytest.LogCaptureFixture) -> None:
    def broken(now: datetime) -> list[QuerySet[WorkerProcess]]:
        raise ValueError("a bug")

    looks = Looks()
    sending = Sender({"a": looks.source("a", broken), "b": looks.source("b", seen_by("b"))})
    sending.send_due(NOW)
    sending.send_due(LATER)
    assert looks.names == ["a", "b"] * 2
    assert caplog.text.count("dispatch.probe_failed") == 1, "told once, and not ten times a second"
