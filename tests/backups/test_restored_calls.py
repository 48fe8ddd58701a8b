"""After a restore nothing is sent by itself that may have been sent since the backup."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.jobs import pausing
from integrations.jobs.models import JobState, Schedule
from integrations.outbox import entry_states, outbox
from integrations.outbox.models import Entry
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db


def put(app: App, operation: str, **body: Any) -> Entry:
    where = {"app": app, "location": LOCATION, "entity": "c1", "params": {"contactId": "c1"}}
    return outbox.put(operation, key=operation, body=body, **where)


def test_what_may_have_been_sent_since_waits_for_a_person(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    note = put(app, "contacts.create-note", body="hello")
    tags = put(app, "contacts.add-tags", tags=["vip"])
    Schedule.objects.create(
        app=app, job="shop.remind", level=UserType.LOCATION, tenant_id=LOCATION, created_at=clock.now()
    )
    call_command("restore", "--tokens-only")
    said = capsys.readouterr().err
    assert "1 calls of the outbox may have been made since: decide about them" in said
    assert "paused, because they would repeat what they did since:" in said
    assert dict(Entry.objects.values_list("pk", "state")) == {note.pk: "unknown", tags.pk: "waiting"}
    assert list(Entry.objects.ready()) == [], "in their order"
    assert "it may have been sent since" in Entry.objects.get(pk=note.pk).error
    state = JobState.objects.get(job="shop.remind")
    assert "restored from a backup" in state.reason
    assert "shop.remind" in pausing.paused()
    assert AuditEntry.objects.get(action="outbox.restored").detail["entries"] == 1
    call_command("restore", "--tokens-only")
    assert "may have been made since" not in capsys.readouterr().err, "it can be repeated"
    entry_states.decide(note.pk, clock.now() + entry_states.ANSWER_LOST_AFTER, happened=True, by="operator ann")
    assert [entry.pk for entry in Entry.objects.ready()] == [tags.pk]
