"""The history on a record's page: the difference, who of ours may have made it, and what support sees of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from integrations.console import record_writers
from integrations.core import clock
from integrations.jobs.models import Run, Schedule, Write
from integrations.outbox.models import Entry, TenantOutbox
from integrations.sync.models import HistoryEntry, Plan, Record
from integrations.tenants.models import App, Installation
from integrations.upserts.models import Upsert, UpsertRow
from tests.console.conftest import LOCATION
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in
from tests.support.signed import sign


@pytest.fixture
def record(agency: Installation) -> Record:
    found = Record.objects.filter(location_id=LOCATION).first()
    assert found is not None
    change(found, {"email": ["old@example.com", "new@example.com"], "tags": [["a"], ["a", "b"]]})
    return found


def change(record: Record, fields: dict[str, Any]) -> None:
    HistoryEntry.objects.create(
        app=record.app,
        location_id=LOCATION,
        resource="contacts",
        record_id=record.record_id,
        at=clock.now(),
        what="changed",
        fields=fields,
        source="event",
        event_type="ContactUpdate",
        reference="w 1",
    )


def write(app: App, record: Record) -> None:
    """A job's write, one of the outbox, and one of a bulk upsert, that name the record."""
    sent_at = clock.now() - timedelta(minutes=1)
    schedule = Schedule.objects.create(
        app=app, job="shop.tidy", level="Location", tenant_id=LOCATION, created_at=sent_at
    )
    run = Run.objects.create(
        schedule=schedule, status="complete", due_at=sent_at, started_at=sent_at, finished_at=sent_at
    )
    Write.objects.create(
        schedule=schedule,
        run=run,
        operation="contacts.update-contact",
        state="confirmed",
        answer={"json": {"contact": {"id": record.record_id}}},
        sent_at=sent_at,
        settled_at=sent_at,
    )
    box = TenantOutbox.objects.create(app=app, level="Location", tenant_id=LOCATION, created_at=sent_at)
    Entry.objects.create(
        outbox=box,
        entity=record.record_id,
        key="k",
        operation="contacts.add-tags",
        lane="events",
        state="done",
        created_at=sent_at,
        sent_at=sent_at,
        settled_at=sent_at,
    )
    upsert = Upsert.objects.create(
        app=app, level="Location", tenant_id=LOCATION, operation="contacts.upsert-contact", created_at=sent_at
    )
    settled = {"state": "done", "record_id": record.record_id, "settled_at": sent_at}
    UpsertRow.objects.create(upsert=upsert, number=7, sent_at=sent_at, **settled)
    UpsertRow.objects.create(upsert=upsert, number=8, **{**settled, "state": "unchanged"})


def page(client: Client, record: Record) -> str:
    return client.get(f"/admin/sync/record/{record.pk}/change/").content.decode()


def test_a_record_shows_its_differences_and_who_of_ours_wrote(operator_client: Client, record: Record) -> None:
    write(record.app, record)
    text = page(operator_client, record)
    for part in ("old@example.com", "new@example.com", "tags[]", "a webhook ContactUpdate", "?q=w%201"):
        assert part in text
    assert "job shop.tidy called contacts.update-contact" in text
    assert "the outbox called contacts.add-tags" in text
    row = UpsertRow.objects.get(number=7)
    assert f"row 7 of upsert {row.upsert_id} called contacts.upsert-contact" in text
    assert f"/admin/upserts/upsertrow/{row.pk}/change/" in text
    assert "row 8" not in text, "an unchanged row was never sent"


def test_writes_about_other_records_are_not_named(agency: Installation, record: Record) -> None:
    write(record.app, record)
    other = Record.objects.exclude(record_id=record.record_id).filter(location_id=LOCATION)[0]
    hour_ago, now = clock.now() - timedelta(hours=1), clock.now()
    assert len(record_writers.find(record, hour_ago, now)) == 3
    assert record_writers.find(other, hour_ago, now) == []
    assert record_writers.find(record, now, now) == []


def test_support_sees_it_masked_and_no_history_says_why(sign_in: SignIn, record: Record) -> None:
    text = page(sign_in("support"), record)
    assert "example.com" not in text
    assert "•••" in text
    HistoryEntry.objects.all().delete()
    client = sign_in("operator")
    assert "An operator has to choose it" in page(client, record)
    Plan.objects.update(keeps_history=True)
    sign(Plan)
    assert "No change since its history is kept" in page(client, record)
