"""The apps in docs/examples do what they say, at the vendor of the test kit."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from hlapp import app_imports
from hlapp.project import PACKAGE
from hlapp.testing import kit
from hlapp.testing.kit import HighLevel
from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.jobs import define, events
from integrations.sync.models import Record
from integrations.webhooks import handlers

EXAMPLES = PACKAGE.parent / "docs/examples"
APPS = sorted(path.parent for path in EXAMPLES.glob("*/__init__.py"))


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    yield from kit.play(monkeypatch)


@pytest.fixture(autouse=True)
def no_others() -> Iterator[None]:
    """What an example registers ends with the test."""
    jobs, handled = dict(define.JOBS), dict(handlers.HANDLERS)
    yield
    for registry, before in ((define.JOBS, jobs), (handlers.HANDLERS, handled)):
        registry.clear()
        registry.update(before)


def load(name: str) -> ModuleType:
    """A module of an example, as of an app in `apps/`."""
    path = EXAMPLES.joinpath(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"apps.{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    events.register()
    return module


def test_a_message_becomes_a_note_and_the_opportunity_moves_on(highlevel: HighLevel) -> None:
    load("inbound.jobs")
    pipeline = highlevel.call("opportunities.get-pipelines")["pipelines"][0]
    first, second = (stage["id"] for stage in pipeline["stages"][:2])
    contact = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["contacts"][0]["id"]
    deal = {"pipelineId": pipeline["id"], "pipelineStageId": first, "name": "Deal", "status": "open"}
    deal |= {"contactId": contact, "locationId": highlevel.location}
    made = highlevel.call("opportunities.create-opportunity", body=deal)["opportunity"]["id"]

    for _ in range(2):
        highlevel.deliver("InboundMessage", contactId=contact, messageId="one", body="yes")

    assert [one.body for one in highlevel.asked("POST", f"/contacts/{contact}/notes")] == [{"body": "Wrote: yes"}]
    now = highlevel.call("opportunities.get-opportunity", params={"id": made})["opportunity"]
    assert now["pipelineStageId"] == second


def test_each_appointment_is_reminded_of_once(highlevel: HighLevel) -> None:
    load("reminders.jobs")
    calendar = highlevel.call("calendars.get-calendars")["calendars"][0]["id"]
    reached, unreached = (
        highlevel.call("contacts.create-contact", body={"locationId": highlevel.location, **fields})["contact"]["id"]
        for fields in ({"firstName": "Ann", "phone": "+15550100200"}, {"firstName": "Bob", "email": "bob@example.com"})
    )
    for hours, contact in ((5, reached), (6, unreached), (50, reached)):
        at = clock.now() + timedelta(hours=hours)
        appointment = {"calendarId": calendar, "locationId": highlevel.location, "contactId": contact}
        times = {"startTime": at.isoformat(), "endTime": (at + timedelta(minutes=30)).isoformat()}
        highlevel.call("calendars.create-appointment", body={**appointment, **times, "title": f"In {hours} h"})

    runs = [highlevel.go_on(highlevel.run_job("reminders.send")) for _ in range(2)]

    assert [(run.status, run.error) for run in runs] == [("complete", "")] * 2
    ours = [one.body["message"] for one in highlevel.asked("POST", "/conversations/messages")]
    assert len(ours) == len(set(ours))
    assert [message for message in ours if "In 5 h" in message]
    assert not any("In 6 h" in message or "In 50 h" in message for message in ours)


def test_operators_list_and_tag_contacts(highlevel: HighLevel, settings: Any) -> None:
    views = load("tagging.views")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [EXAMPLES / "tagging/templates"]}]
    contact = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["contacts"][0]
    row = {"app": highlevel.app, "location_id": highlevel.location, "resource": "contacts", "record_id": contact["id"]}
    now = clock.now()
    Record.objects.create(**row, payload=contact, version_at=now, alive_at=now, updated_at=now)
    where = (highlevel.app.highlevel_id, highlevel.location)

    def ask(user: User, data: dict[str, str] | None = None) -> Any:
        factory = RequestFactory()
        request = factory.get("/") if data is None else factory.post("/", data)
        request.user = user
        return views.contacts(request, *where)

    operator = User(username="ann", is_active=True, is_superuser=True)
    assert contact["firstName"] in ask(operator).content.decode()
    assert ask(operator, {"contact": contact["id"]}).status_code == 302
    (asked,) = highlevel.asked("POST", f"/contacts/{contact['id']}/tags")
    assert asked.body == {"tags": ["vip"]}
    assert AuditEntry.objects.filter(action="tagging.tag", actor="ann").exists()
    assert ask(User(username="viewer", is_active=True)).status_code == 302, "to the sign-in"


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.name)
def test_an_example_is_short_and_imports_the_public_surface_alone(app: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in app.rglob("*.*") if path.suffix in (".py", ".html")]
    lines = [line for text in texts for line in text.splitlines()]
    assert len([line for line in lines if line.strip()]) < 60
    assert list(app_imports.beyond_public(app)) == []
