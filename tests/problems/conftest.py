"""Failures of each kind at the tenants of an agency, and looks of the roll-up as time would bring them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.exports.models import Export
from integrations.exports.models import Run as ExportRun
from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Write
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.problems import roll_up
from integrations.problems.models import Problem
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import LOCATION
from tests.console.conftest import agency as agency
from tests.console.conftest import app as app
from tests.console.conftest import operator as operator
from tests.console.conftest import operator_client as operator_client

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Looks:
    """The roll-up, which is a minute later at each look."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self, times: int = 2) -> int:
        """Two looks: rows without a time are counted when they were there at the look before."""
        found = 0
        for _ in range(times):
            self.now += MINUTE
            found += roll_up.roll_up(self.now)
        return found


@pytest.fixture
def look(db: None) -> Looks:
    return Looks()


def fail_call(app: App, tenant_id: str = LOCATION, **fields: Any) -> Call:
    values: dict[str, Any] = {
        "at": NOON,
        "operation": "contacts.get-contact",
        "lane": "bulk",
        "status": 400,
        "code": "request_rejected",
        "message": f"Contact with id 8hVZ0q2LkXw3Nn of {tenant_id} not found (trace id t-1)",
        "trace_id": "t-1",
        "took_ms": 5,
        "method": "GET",
        "path": "/contacts/x",
    }
    return Call.objects.create(app=app, resource_id=tenant_id, **(values | fields))


def poison(app: App, number: int, tenant_id: str = LOCATION, **fields: Any) -> Event:
    """An event that stepped aside; its failed attempt is what the roll-up reads."""
    box, _ = Mailbox.objects.get_or_create(app=app, tenant=f"location:{tenant_id}")
    values: dict[str, Any] = {
        "type": "ContactCreate",
        "payload": {},
        "status": "poisoned",
        "error_code": "handler_bug",
        "error": f"KeyError in tag, line {number}",
        "occurred_at": NOON,
        "received_at": NOON,
        "due_at": NOON,
        "processed_at": NOON,
    }
    event = Event.objects.create(app=app, mailbox=box, webhook_id=f"w{number}", **(values | fields))
    event.failed_attempts.create(number=1, at=NOON, error_code=event.error_code, error=event.error)
    return event


def only() -> Problem:
    return Problem.objects.get()


@pytest.fixture
def one_of_each(agency: Installation) -> None:
    """A failure of each kind at one location."""
    app = agency.app
    ended = {
        "status": "failed",
        "started_at": NOON,
        "finished_at": NOON,
        "due_at": NOON,
        "error_code": "x",
        "error": "no",
    }
    Run.objects.create(plan=Plan.objects.get(location_id=LOCATION), kind="full", trace_id="t-9", **ended)
    schedule = Schedule.objects.create(app=app, job="a.job", level="Location", tenant_id=LOCATION, created_at=NOON)
    JobRun.objects.create(schedule=schedule, **ended)
    box = TenantOutbox.objects.create(app=app, level="Location", tenant_id=LOCATION, created_at=NOON)
    OutboxRun.objects.create(outbox=box, **ended)
    sent = {"outbox": box, "entity": "e", "operation": "contacts.create-note", "lane": "events", "created_at": NOON}
    Entry.objects.create(key="a", state="rejected", settled_at=NOON, error_code="x", **sent)
    Entry.objects.create(key="b", state="conflict", **sent)
    Write.objects.create(schedule=schedule, operation="a.write", state="unknown", sent_at=NOON, settled_at=NOON)
    export = Export.objects.create(app=app, resources=["contacts"], form="csv", made_by="o", created_at=NOON)
    ExportRun.objects.create(export=export, **ended)
    for_upsert = {"app": app, "level": "Location", "tenant_id": LOCATION, "made_by": "o", "created_at": NOON}
    upsert = Upsert.objects.create(operation="contacts.upsert-contact", **for_upsert)
    UpsertRun.objects.create(upsert=upsert, **ended)
    UpsertRow.objects.create(upsert=upsert, number=1, state="unknown", sent_at=NOON, settled_at=NOON, error="lost")
    event = poison(app, 1)
    schedule.triggers.create(event=event, set_aside_at=NOON, error_code="x", error="no")
    Credential.objects.filter(resource_id=LOCATION).update(last_error_code="x", last_error="no", last_error_at=NOON)
    fail_call(app)
