"""`expected`: what the app believes a record holds, compared with the vendor's record right before the call."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from integrations.core import masking
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.outbox import entry_seal, entry_states, expected_values, outbox
from integrations.outbox.admin import EntryAdmin
from integrations.outbox.models import Entry
from integrations.problems import failure_sources
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.jobs.conftest import vendor as vendor
from tests.outbox.test_outbox import Desk
from tests.outbox.test_outbox import desk as desk

pytestmark = pytest.mark.django_db


class Editor:
    """Puts changes of the first contact's company, and plays a person who edits it at the vendor."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def put(self, key: str, company: str, expected: Any) -> Entry:
        return outbox.put(
            "contacts.update-contact",
            app=self.desk.app,
            location=self.desk.location,
            entity=self.desk.contact,
            key=key,
            params={"contactId": self.desk.contact},
            body={"companyName": company},
            expected={"companyName": expected},
        )

    def edit(self, company: str) -> None:
        self.desk.api.contacts.update_contact(contactId=self.desk.contact, body={"companyName": company})

    @property
    def company(self) -> Any:
        return self.desk.api.contacts.get_contact(contactId=self.desk.contact).json["contact"].get("companyName")

    def changed(self, key: str = "one") -> Entry:
        """A conflict: the app expects the first company, and somebody has made it the second."""
        self.edit("Second")
        entry = self.put(key, "Mine", "First")
        self.desk.work()
        entry.refresh_from_db()
        return entry


@pytest.fixture
def editor(desk: Desk) -> Editor:
    return Editor(desk)


def command(*arguments: str) -> Any:
    out = io.StringIO()
    call_command("outbox", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_what_is_as_expected_is_sent_at_the_cost_of_one_read(editor: Editor) -> None:
    editor.edit("First")
    before = len(editor.desk.vendor.asked())
    entry = editor.put("one", "Mine", "First")
    assert entry_seal.may_be_sent(Entry.objects.get()), "the seal covers what is expected"
    assert editor.desk.work().status == "complete"
    assert [one.method for one in editor.desk.vendor.asked()[before:]] == ["GET", "PUT"]
    assert editor.company == "Mine"
    entry.refresh_from_db()
    assert (entry.state, entry.expected, entry.found) == ("done", None, None), "what was sent is not kept"


def test_a_changed_record_is_a_conflict_that_shows_both_values_and_holds_its_entity(editor: Editor) -> None:
    entry = editor.changed()
    assert (entry.state, entry.found, editor.company) == ("conflict", {"companyName": "Second"}, "Second")
    later = editor.desk.put("put later")
    other = editor.desk.put("put other", contact=editor.desk.other)
    editor.desk.work()
    assert list(Entry.objects.filter(pk__in=[later.pk, other.pk]).order_by("pk").values_list("state", flat=True)) == [
        "waiting",
        "done",
    ]
    (shown,) = command("entries", "--state", "conflict")
    assert (shown["expected"], shown["found"]) == ({"companyName": "First"}, {"companyName": "Second"})
    assert "another companyName than the app expected" in shown["error"]
    failure = failure_sources.of_entry(failure_sources.held_entries().get())
    assert (failure.code, failure_sources.conflicts().count()) == (expected_values.CODE, 0)


def test_it_is_sent_anyway(editor: Editor) -> None:
    entry = editor.changed()
    assert command("send", str(entry.pk)) == [{"id": entry.pk, "key": "one", "state": "waiting"}]
    editor.desk.work()
    assert (editor.company, Entry.objects.get().state) == ("Mine", "done")


def test_it_is_sent_if_the_record_is_still_as_found(editor: Editor) -> None:
    entry = editor.changed()
    command("put-again", str(entry.pk))
    editor.edit("Third")
    editor.desk.work()
    entry.refresh_from_db()
    assert (entry.state, entry.expected, entry.found) == (
        "conflict",
        {"companyName": "Second"},
        {"companyName": "Third"},
    )
    command("put-again", str(entry.pk))
    editor.desk.work()
    assert (editor.company, Entry.objects.get().state) == ("Mine", "done")
    assert AuditEntry.objects.filter(action="outbox.put_again").count() == 2


def test_it_is_discarded_and_the_next_of_its_entity_follows(editor: Editor) -> None:
    entry = editor.changed()
    editor.desk.put("put later")
    entry_states.discard(entry.pk, by="operator ann")
    editor.desk.work()
    assert (editor.company, editor.desk.notes()) == ("Second", ["put later"])


def test_the_app_puts_it_again_under_the_same_key(editor: Editor) -> None:
    first = editor.changed()
    assert editor.put("one", "Mine", "First").pk == first.pk, "the same call waits for a decision"
    second = editor.put("one", "Merged", "Second")
    assert second.pk != first.pk
    first.refresh_from_db()
    assert (first.state, first.key) == ("discarded", f"one (replaced {first.pk})")
    editor.desk.work()
    second.refresh_from_db()
    assert (editor.company, second.state) == ("Merged", "done")


def test_a_missing_field_counts_as_null_and_a_missing_record_is_refused(editor: Editor) -> None:
    editor.desk.api.contacts.update_contact(contactId=editor.desk.contact, body={"companyName": ""})
    editor.put("one", "Mine", None)
    editor.desk.work()
    assert editor.company == "Mine"
    where = {"app": editor.desk.app, "location": editor.desk.location, "entity": "gone", "key": "gone"}
    gone = {"params": {"contactId": "goneContact1"}, "body": {"tags": ["x"]}, "expected": {"companyName": "First"}}
    entry = outbox.put("contacts.add-tags", **where, **gone)
    editor.desk.work()
    entry.refresh_from_db()
    assert (entry.state, entry.error_code) == ("rejected", "request_rejected")


def test_what_no_path_names_cannot_be_expected(editor: Editor) -> None:
    where = {"app": editor.desk.app, "location": editor.desk.location, "entity": "x", "key": "x"}
    with pytest.raises(BadRequest, match="only of a record that its path names"):
        outbox.put("contacts.upsert-contact", body={"email": "a@b.example"}, expected={"dnd": False}, **where)
    call = {"body": {"dnd": True}, "params": {"contactId": editor.desk.contact}}
    with pytest.raises(BadRequest, match="50 fields at most"):
        outbox.put("contacts.update-contact", expected={f"field{number}": 1 for number in range(51)}, **call, **where)


def test_who_changes_what_is_expected_has_nothing_sent(editor: Editor) -> None:
    editor.edit("Second")
    entry = editor.put("one", "Mine", "First")
    for forged in ({"companyName": "Second"}, None):
        Entry.objects.filter(pk=entry.pk).update(expected=forged, state="waiting")
        editor.desk.work()
        entry.refresh_from_db()
        assert (entry.state, entry.error_code, editor.company) == ("rejected", "bad_request", "Second")


def test_the_page_shows_both_values_and_masks_them(editor: Editor) -> None:
    entry = editor.changed()
    page = EntryAdmin(Entry, None)  # type: ignore[arg-type]
    shown = str(page.changed_values(entry))
    assert "First" in shown
    assert "Second" in shown
    assert [name for name in page.actions if page.applies_to(entry, name)] == ["send_again", "put_again", "discard"]
    hidden = Entry.objects.get(pk=entry.pk)
    masking.columns(hidden, Entry.PERSONAL)
    masked = str(page.changed_values(hidden))
    assert "Second" not in masked
    assert "companyName" in masked
