"""Every code block of docs/extending.md does what the text around it says, at the vendor of the test kit."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from hlapp.api import records, triggers
from hlapp.project import PACKAGE
from hlapp.testing import kit
from hlapp.testing.kit import HighLevel
from integrations.core.models import AuditEntry
from integrations.jobs import define, events
from integrations.modules.answers import ANSWERS
from integrations.sync import resources
from integrations.webhooks import handlers
from tests.support import own_pages
from tests.support.waiting import wait_until

PAGE = (PACKAGE.parent / "docs/extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
# A text that one block alone has, with the test that runs it.
TESTED = {
    "def greet(": "test_a_handler_notes_each_contact_once",
    "def note_arrival(": "test_a_note_whose_answer_was_lost_is_written_once",
    "def note_a_won_deal(": "test_the_outbox_sends_what_a_handler_puts",
    "def show_tags(": "test_a_page_lists_and_adds_tags",
    'name="open_deals"': "test_a_resource_of_an_own_app_has_the_open_deals",
    "def greeting(": "test_the_synced_copy_greets_by_name_and_custom_field",
    "def count_changes(": "test_a_consumer_counts_what_has_changed",
    "def import_people(": "tests/upserts/test_documented_example.py",
    "def count_contacts(": "test_functions_answer_modules",
    "def payment_page(": "test_a_visit_of_the_billing_url_goes_on_to_the_payment",
    "def start_workflows(": "test_a_job_starts_the_workflows_that_wait",
    "[tool.pytest.ini_options]": "test_a_new_project_loads_the_plugin",
}
CONTACT: dict[str, Any] = {"body": {"pageLimit": 1}}

Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    yield from kit.play(monkeypatch)


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs the block with this text, as a module of an own app; what it registers ends with the test."""
    registries: list[dict[Any, Any]] = [
        define.JOBS,
        handlers.HANDLERS,
        handlers.DECORATED,
        ANSWERS,
        resources.RESOURCES,
    ]
    before = [dict(registry) for registry in registries]
    synced = [*resources.ALL]

    def run_block(text: str) -> dict[str, Any]:
        (code,) = [code for _, code in BLOCKS if text in code]
        defined: dict[str, Any] = {"__name__": "apps.welcome.of_the_page"}
        exec(compile(code, "docs/extending.md", "exec"), defined)
        events.register()
        return defined

    yield run_block
    for registry, former in zip(registries, before, strict=True):
        registry.clear()
        registry.update(former)
    resources.ALL[:] = synced


@pytest.fixture
def greetings(db: None, monkeypatch: pytest.MonkeyPatch) -> type[models.Model]:
    """The model of the app, with its table."""
    with isolate_apps():

        class Greeting(models.Model):
            contact_id = models.CharField(max_length=64, unique=True)
            location_id = models.CharField(max_length=64)

            class Meta:
                app_label = "welcome"

            def __str__(self) -> str:
                return self.contact_id

    with connection.schema_editor() as editor:
        editor.create_model(Greeting)
    module = ModuleType("apps.welcome.models")
    module.__dict__["Greeting"] = Greeting
    for name, one in (("apps.welcome", ModuleType("apps.welcome")), (module.__name__, module)):
        monkeypatch.setitem(sys.modules, name, one)
    return Greeting


def contact_of(highlevel: HighLevel) -> str:
    return str(highlevel.call("contacts.search-contacts-advanced", **CONTACT)["contacts"][0]["id"])


def count_until(expected: int, count: Callable[[], int]) -> int:
    """The sum of what `count` returns, once it is enough.

    The feed gives no change before all older transactions of the server have ended, those of other tests included.
    """
    counted: list[int] = []

    def enough() -> bool:
        counted.append(count())
        return sum(counted) >= expected

    wait_until(enough)
    return sum(counted)


def test_every_block_has_a_test() -> None:
    texts = [[text for text in TESTED if text in code] for _, code in BLOCKS]
    assert sorted(text for found in texts for text in found) == sorted(TESTED)
    assert [code for found, (_, code) in zip(texts, BLOCKS, strict=True) if len(found) != 1] == []
    here = Path(__file__).read_text()
    assert [
        test for test in TESTED.values() if f"def {test}(" not in here and not (PACKAGE.parent / test).is_file()
    ] == []


def test_a_handler_notes_each_contact_once(highlevel: HighLevel, run: Run, greetings: Any) -> None:
    run("def greet(")
    for _ in range(2):
        assert highlevel.deliver("ContactCreate", id="a-contact").status == "done"
    assert [(one.contact_id, one.location_id) for one in greetings.objects.all()] == [("a-contact", highlevel.location)]


def test_a_note_whose_answer_was_lost_is_written_once(highlevel: HighLevel, run: Run) -> None:
    run("def note_arrival(")
    contact = contact_of(highlevel)
    highlevel.lose_answer(f"/contacts/{contact}/notes")
    highlevel.deliver("ContactCreate", id=contact, source="a form")
    highlevel.advance(timedelta(minutes=2))
    (again,) = highlevel.run_due_jobs()
    assert (again.status, again.error) == ("complete", "")
    notes = highlevel.call("contacts.get-all-notes", params={"contactId": contact})["notes"]
    assert [note["body"] for note in notes if note["body"].startswith("Arrived")] == ["Arrived by a form"]
    assert len(highlevel.asked("POST", f"/contacts/{contact}/notes")) == 1


def test_the_outbox_sends_what_a_handler_puts(highlevel: HighLevel, run: Run) -> None:
    run("def note_a_won_deal(")
    contact = contact_of(highlevel)
    for status in ("open", "won", "won"):
        fields = {"id": "a-deal", "contactId": contact, "name": "Deal", "status": status}
        highlevel.deliver("OpportunityStatusUpdate", **fields)
    assert highlevel.send_outbox() == {"won a-deal": "done"}
    (asked,) = highlevel.asked("POST", f"/contacts/{contact}/notes")
    assert asked.body == {"body": "Won: Deal"}


def test_a_page_lists_and_adds_tags(
    highlevel: HighLevel, run: Run, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = run("def show_tags(")["show_tags"]
    (tmp_path / "welcome").mkdir()
    template = (
        '{% extends "embed/base.html" %}{% block main %}{% for tag in tags %}{{ tag.name }} {% endfor %}{% endblock %}'
    )
    (tmp_path / "welcome/tags.html").write_text(template)
    own_pages.serve("welcome/tags/", view, tmp_path, settings=settings, monkeypatch=monkeypatch)
    client = highlevel.embedded_client()
    assert client.post("/welcome/tags/", {"name": "vip-of-the-page"}).status_code == 302
    assert "vip-of-the-page" in client.get("/welcome/tags/").content.decode()
    entry = AuditEntry.objects.get(action="welcome.tag_created")
    assert entry.actor.startswith("user ")


def test_the_synced_copy_greets_by_name_and_custom_field(highlevel: HighLevel, run: Run) -> None:
    greeting = run("def greeting(")["greeting"]
    field = {"name": "Birthday plan", "dataType": "TEXT", "model": "contact"}
    where = {"locationId": highlevel.location}
    made = highlevel.call("locations.create-custom-field", params=where, body=field)["customField"]["id"]
    person = {**where, "email": "ann@example.org", "firstName": "Ann", "customFields": [{"id": made, "value": "cake"}]}
    highlevel.call("contacts.create-contact", body=person)
    assert greeting(highlevel.location, "ann@example.org") == ""
    highlevel.sync("contacts", "custom_fields")
    assert greeting(highlevel.location, "ann@example.org") == "Hello Ann, the plan: cake"


def test_a_resource_of_an_own_app_has_the_open_deals(highlevel: HighLevel, run: Run) -> None:
    run('name="open_deals"')
    where = {"locationId": highlevel.location}
    pipeline = highlevel.call("opportunities.get-pipelines", params=where)["pipelines"][0]
    for status in ("open", "won"):
        deal = {"pipelineId": pipeline["id"], "name": status, "status": status, "contactId": contact_of(highlevel)}
        highlevel.call("opportunities.create-opportunity", body={**where, **deal})
    highlevel.sync("open_deals")
    synced = records(highlevel.app, highlevel.location, "open_deals")
    assert {row.payload["status"] for row in synced} == {"open"}
    assert "open" in {row.payload["name"] for row in synced}


@pytest.mark.django_db(transaction=True)
def test_a_consumer_counts_what_has_changed(transactional_db: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commits: a test that is rolled back sees no changes."""
    count_changes = run("def count_changes(")["count_changes"]
    for highlevel in kit.play(monkeypatch):
        assert count_changes(highlevel.app) == 0
        highlevel.sync("contacts")
        assert count_until(kit.CONTACTS, partial(count_changes, highlevel.app)) == kit.CONTACTS
        assert count_changes(highlevel.app) == 0


def test_functions_answer_modules(highlevel: HighLevel, run: Run) -> None:
    run("def count_contacts(")
    highlevel.sync("contacts")
    answer = highlevel.call_module("WorkflowAction", "count-contacts", data={})
    assert (answer.status_code, answer.json()) == (200, {"contacts": kit.CONTACTS})
    for key, status in (("crm_abc", 200), ("abc", 422)):
        assert highlevel.call_module("ExternalAuth", "crm", apiKey=key).status_code == status


def test_a_visit_of_the_billing_url_goes_on_to_the_payment(highlevel: HighLevel, run: Run) -> None:
    run("def payment_page(")
    answer = highlevel.call_module("ExternalBilling", "plans")
    page, _, query = answer.url.partition("?")
    assert (answer.status_code, page) == (302, "/welcome/pay")
    given = {"clientId": highlevel.app.client_id, "installType": "location", "locationId": highlevel.location}
    assert dict(parse_qsl(query)) == given


def test_a_job_starts_the_workflows_that_wait(highlevel: HighLevel, run: Run) -> None:
    run("def start_workflows(")
    address = f"{highlevel.app.api_url}/workflows-marketplace/triggers/execute/{highlevel.location}/t1"
    wanted = {"id": "t1", "key": "invoice_paid", "filters": [], "eventType": "CREATED", "targetUrl": address}
    extras = {"locationId": highlevel.location, "workflowId": "wf1", "companyId": highlevel.company}
    meta = {"key": "invoice_paid", "version": "1.0"}
    highlevel.call_module("WorkflowTrigger", "invoice_paid", triggerData=wanted, meta=meta, extras=extras)
    assert len(triggers.subscriptions(highlevel.app, highlevel.location, "invoice_paid")) == 1
    highlevel.deliver("InvoicePaid", _id="an-invoice")
    (asked,) = highlevel.asked("POST", "/workflows-marketplace/triggers/execute/")
    assert (asked.path.endswith("/t1"), asked.body) == (True, {"invoiceId": "an-invoice"})


def test_a_new_project_loads_the_plugin() -> None:
    (block,) = [code for language, code in BLOCKS if language == "toml"]
    made = (PACKAGE / "scaffold/files/project/pyproject.toml.txt").read_text()
    wanted = tomllib.loads(block)["tool"]["pytest"]["ini_options"]
    assert wanted.items() <= tomllib.loads(made)["tool"]["pytest"]["ini_options"].items()
