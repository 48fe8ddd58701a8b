"""The outbox at the sandbox vendor: with the app's transaction or not at all, once, in order, and what holds it up."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.runs import current_run
from integrations.gateway.facade import v2
from integrations.outbox import entry_seal, entry_states, outbox, runs
from integrations.outbox.models import Entry, Run, TenantOutbox
from integrations.quota.models import Parked
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App, Installation
from integrations.vault import columns, rotation, signed_tables
from integrations.vault import keys as vault_keys
from integrations.webhooks import handlers
from integrations.webhooks.models import Event
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.jobs.conftest import vendor as vendor
from tests.plugin.vendor import Vendor
from tests.support.signed import sign, transition

pytestmark = pytest.mark.django_db


class Desk:
    """One location's outbox, and the notes that the vendor has of its first contact."""

    def __init__(self, app: App, location: str, vendor: Vendor) -> None:
        self.app, self.location, self.vendor = app, location, vendor
        self.api = v2.Api(app, location=location, lane=Lane.EVENTS)
        found = self.api.contacts.search_contacts_advanced(body={"pageLimit": 2}).json["contacts"]
        self.contact, self.other = (contact["id"] for contact in found)
        self.path = f"/contacts/{self.contact}/notes"

    def put(self, key: str, text: str = "", *, contact: str = "", **how: Any) -> Entry:
        contact = contact or self.contact
        body, params = {"body": text or key}, {"contactId": contact}
        where = {"app": self.app, "location": self.location, "entity": contact, "params": params, "body": body}
        return outbox.put("contacts.create-note", key=key, **(where | how))

    def work(self) -> Run:
        """One run, or the next turn of the one under way."""
        TenantOutbox.objects.update(due_at=clock.now())
        runs.start_due(clock.now())
        run = Run.objects.latest("pk")
        Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        runs.advance(run.pk)
        run.refresh_from_db()
        return run

    def notes(self, contact: str = "") -> list[str]:
        """The texts that were put, in the order in which the vendor got them."""
        found = self.api.contacts.get_all_notes(contactId=contact or self.contact).json["notes"]
        mine = sorted((note["dateAdded"], note["body"]) for note in found if note["body"].startswith("put"))
        return [text for _, text in mine]

    def states(self) -> list[str]:
        return list(Entry.objects.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def desk(app: App, location: str, vendor: Vendor) -> Desk:
    return Desk(app, location, vendor)


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer can come any more."""
    monkeypatch.setattr(entry_states, "ANSWER_LOST_AFTER", timedelta(0))


def command(*arguments: str) -> Any:
    out = io.StringIO()
    call_command("outbox", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_what_is_committed_is_sent_once_and_what_is_rolled_back_is_not(
    desk: Desk, django_capture_on_commit_callbacks: Any
) -> None:
    with transaction.atomic():
        desk.put("put 0")
        transaction.set_rollback(True)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        first = desk.put("put 1")
        assert desk.put("put 1").pk == first.pk, "the same key with the same call is one entry"
        desk.put("put 2")
    assert TenantOutbox.objects.get().due_at is not None, "the commit makes it due"
    assert (desk.work().status, desk.notes(), desk.states()) == ("complete", ["put 1", "put 2"], ["done", "done"])
    first.refresh_from_db()
    assert (first.body, first.answer["status"]) == ({"body": "put 1"}, 201), "the call is kept for replays"
    assert desk.put("put 1").pk == first.pk, "also later"
    assert (desk.work().status, desk.notes()) == ("complete", ["put 1", "put 2"])


def test_another_call_under_a_known_key_is_a_conflict_that_operators_see(desk: Desk) -> None:
    desk.put("put 1")
    conflict = desk.put("put 1", "put another")
    assert conflict.state == "conflict"
    desk.work()
    assert (desk.notes(), desk.states()) == (["put 1"], ["done", "conflict"])
    entry_states.send_again(conflict.pk, by="operator ann")
    desk.work()
    assert (desk.notes(), desk.states()) == (["put 1", "put another"], ["done", "done"])
    assert command("entries") == []


@pytest.mark.parametrize(("kind", "happened"), [("lost", True), ("close", False)])
def test_an_unknown_fate_holds_its_entity_and_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str, happened: bool
) -> None:
    for key in ("put 1", "put 2"):
        desk.put(key)
    desk.put("put 3", contact=desk.other)
    desk.vendor.fault(desk.path, kind, times=1)
    assert desk.work().status == "complete", "nothing else can be sent"
    assert desk.states() == ["unknown", "waiting", "done"]
    assert (desk.work().done, desk.notes(desk.other)) == (0, ["put 3"])
    (entry,) = command("entries", "--state", "unknown")
    assert (entry["key"], entry["params"]) == ("put 1", {"contactId": desk.contact})
    with pytest.raises(CommandError, match="may still come: decide in"):
        command("decide", str(entry["id"]), "--happened")
    later(monkeypatch)
    command("decide", str(entry["id"]), "--happened" if happened else "--did-not-happen")
    assert desk.work().status == "complete"
    assert (desk.notes(), desk.states()) == (["put 1", "put 2"], ["done"] * 3)
    assert AuditEntry.objects.filter(action__startswith="outbox.", actor="manage.py outbox").count() == 1


def test_a_killed_worker_leaves_an_entry_that_the_next_turn_finds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    desk.put("put 1")
    with monkeypatch.context() as patched:
        patched.setattr(entry_states, "done", die)
        with pytest.raises(Killed):
            desk.work()
    assert desk.states() == ["sent"]
    Run.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert (desk.work().status, desk.states(), desk.notes()) == ("complete", ["unknown"], ["put 1"])
    assert "the worker ended" in Entry.objects.get().error


def test_a_refusal_holds_its_entity_until_it_is_sent_again_or_discarded(desk: Desk) -> None:
    for act, keys in ((entry_states.send_again, ("put 1", "put 2")), (entry_states.discard, ("put 3", "put 4"))):
        for key in keys:
            desk.put(key)
        desk.vendor.fault(desk.path, "status", times=1, status=422)
        desk.work()
        assert desk.states()[-2:] == ["rejected", "waiting"]
        act(Entry.objects.get(state="rejected").pk, by="operator ann")
        desk.work()
    assert (desk.notes(), desk.states()) == (["put 1", "put 2", "put 4"], ["done", "done", "discarded", "done"])
    with pytest.raises(BadRequest, match="is done, not"):
        entry_states.discard(Entry.objects.get(key="put 1").pk, by="operator ann")


def test_pages_say_why_an_entry_is_refused_and_which_one_holds_the_next(desk: Desk, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="a-long-password-1"))
    refused, held = desk.put("put 1"), desk.put("put 2")
    body = {"statusCode": 422, "message": ["body must be shorter"], "traceId": "trace-of-the-note"}
    desk.vendor.fault(desk.path, "status", times=1, status=422, body=body)
    desk.work()
    page = client.get(f"/admin/outbox/entry/{refused.pk}/change/").content.decode()
    for words in ("body must be shorter", "<code>manage.py catalogue show</code>", "Trace id: trace-of-the-note"):
        assert words in page
    assert ">rejected<" in page, "a label is its text there"
    address = f'href="/admin/outbox/entry/{refused.pk}/change/">an earlier entry of its entity'
    for path in ("", f"{held.pk}/change/"):
        assert address in client.get(f"/admin/outbox/entry/{path}").content.decode()
    chosen = {"action": "discard", "_selected_action": [refused.pk]}
    assert "Done for 1 entry." in client.post("/admin/outbox/entry/", chosen, follow=True).content.decode()
    assert address not in client.get("/admin/outbox/entry/").content.decode(), "it is held no more"


def test_without_a_permit_the_run_is_parked_and_pauses_and_uninstalls_stop_it(desk: Desk) -> None:
    desk.put("put 1")
    desk.vendor.fault(desk.path, "quota", times=1)
    run = desk.work()
    assert (run.status, desk.states(), Parked.objects.get().task) == ("running", ["waiting"], "outbox.advance")
    assert command("pause", desk.location) == [{"tenant": desk.location, "paused": True}]
    assert (desk.work().status, desk.states()) == ("complete", ["waiting"])
    assert runs.wake_idle(clock.now()) == 0
    command("resume", desk.location)
    Installation.objects.update(status="uninstalled")
    assert (desk.work().status, desk.states()) == ("cancelled", ["waiting"])
    TenantOutbox.objects.update(due_at=None)
    assert runs.wake_idle(clock.now()) == 0
    Installation.objects.update(status="installed")
    assert runs.wake_idle(clock.now()) == 1, "the sweep finds what waits"
    assert command("list") == [{"tenant": desk.location, "paused": False, "waiting": 1}]


def test_a_call_that_may_be_made_twice_is_sent_again_and_given_up_when_the_vendor_fails(desk: Desk) -> None:
    path = f"/contacts/{desk.contact}/tags"
    put = {"app": desk.app, "location": desk.location, "entity": desk.contact, "params": {"contactId": desk.contact}}
    outbox.put("contacts.add-tags", key="tag", body={"tags": ["new"]}, **put)
    desk.vendor.fault(path, "lost", times=1)
    assert (desk.work().status, desk.states()) == ("running", ["waiting"])
    assert (desk.work().status, desk.states()) == ("complete", ["done"])
    outbox.put("contacts.add-tags", key="tag 2", body={"tags": ["newer"]}, **put)
    desk.vendor.fault(path, "status", times=runs.MOST_FAULTS, status=500)
    statuses = [desk.work().status for _ in range(runs.MOST_FAULTS)]
    assert (statuses[-1], desk.states()) == ("complete", ["done", "rejected"])


def test_what_could_never_be_sent_is_refused_at_once(desk: Desk) -> None:
    for wrong, words in (
        ({"key": ""}, "1 to 200 characters"),
        ({"entity": "x" * 201}, "1 to 200 characters"),
        ({"params": {}}, "contactId"),
        ({"body": {"file": b"bytes"}}, "JSON only"),
        ({"body": {"text": "x" * 300_000}}, "at most 256 kB"),
        ({"location": None}, "either a location or a company"),
    ):
        with pytest.raises(BadRequest, match=words):
            desk.put(**({"key": "put 1"} | wrong))
    assert not Entry.objects.exists()


def written(entry: Entry, **fields: Any) -> None:
    """What somebody does who writes to the database: a row like this one, with other values."""
    columns = {field.attname: getattr(entry, field.attname) for field in Entry._meta.concrete_fields}
    columns.pop("id")
    Entry.objects.create(
        **(columns | {"key": "put x", "entity": "x", "body": {"body": "put by the attacker"}} | fields)
    )


def test_what_is_written_into_the_database_is_never_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch)
    done = desk.put("put 1")
    desk.work()
    waiting, discarded = desk.put("put 2", contact=desk.other), desk.put("put 3")
    entry_states.discard(discarded.pk, by="operator ann")

    def changed(entry: Entry, **fields: Any) -> None:
        Entry.objects.filter(pk=entry.pk).update(state="waiting", **fields)

    def moved() -> None:
        TenantOutbox.objects.update(tenant_id="another")
        Installation.objects.filter(resource_id=desk.location).update(resource_id="another")
        sign(TenantOutbox)  # its own MAC is another matter: see test_pauses

    attacks: dict[str, Callable[[], None]] = {
        "inserted": lambda: written(waiting),
        "inserted without a seal": lambda: written(waiting, sealed=None),
        "the body": lambda: changed(waiting, body={"body": "put by the attacker"}),
        "the operation": lambda: changed(waiting, operation="contacts.delete-contact", body=None),
        "sent before": lambda: changed(done, params=waiting.params, body={"body": "put 1"}),
        "discarded before": lambda: changed(discarded),
        "another tenant": moved,
    }
    for name, attack in attacks.items():
        with transaction.atomic():
            attack()
            desk.work()
            refused = Entry.objects.get(state="rejected")
            assert refused.error.startswith("this entry was not put by this application"), name
            assert AuditEntry.objects.filter(action="outbox.not_sealed").count() == 1, name
            assert "put by the attacker" not in desk.notes(), name
            if name != "discarded before":  # which an operator may send again
                with pytest.raises(BadRequest, match="it can only be discarded"):
                    entry_states.send_again(refused.pk, by="operator ann")
            transaction.set_rollback(True)
    written(waiting, state="unknown", sent_at=clock.now())
    forged = Entry.objects.get(state="unknown")
    with pytest.raises(BadRequest, match="it can only be discarded"):
        entry_states.decide(forged.pk, clock.now(), happened=False, by="operator ann")
    assert signed_tables.misfits() == {"outbox.Entry": 1}
    entry_states.discard(forged.pk, by="operator ann")
    assert signed_tables.misfits() == {}, "no alarm stays behind"
    ours = desk.put("put 4")
    Entry.objects.filter(pk=ours.pk).update(state="unknown", sent_at=clock.now())
    with pytest.raises(BadRequest, match="say whether it happened"):
        entry_states.discard(ours.pk, by="operator ann")


def test_seals_of_entries_go_with_the_keys(desk: Desk, settings: Any) -> None:
    odd = {"body": "put 1", "n": [1e22, -0.0, 1e-7, 0.1, "ä\u2028"]}
    desk.put("put 1", body=odd)
    old = settings.VAULT_KEYS
    settings.VAULT_KEYS = ["next:0Wm8kR4mGgB8xC5h8c1mYx0m0F9cG5o6yqS2mUO3b1s=", *old]
    rotation.rotate(vault_keys.ring(), watcher=rotation.Watcher())
    entry = Entry.objects.get()
    assert entry_seal.may_be_sent(entry), "numbers that PostgreSQL writes otherwise are the same"
    assert columns.sealed_by(Entry, "next").count() == 1
    assert entry_seal._EntriesOfALostKey().forget("next", actor="test") == {"without a seal": 1}
    assert (Entry.objects.get().state, Entry.objects.get().sealed) == ("rejected", None)
    with pytest.raises(BadRequest, match="it can only be discarded"):
        entry_states.send_again(entry.pk, by="operator ann")
    entry_states.discard(entry.pk, by="operator ann")
    assert desk.put("put 1", body=odd).state == "waiting", "the app may put the same call again"


def test_entries_of_the_release_before_are_sent_and_sealed_as_they_are_found(desk: Desk) -> None:
    desk.put("put 1")
    entry_states.discard(desk.put("put 2").pk, by="operator ann")
    desk.put("put 3")
    Entry.objects.exclude(body={"body": "put 3"}).update(sealed=None)
    transition(clock.now() + timedelta(hours=1))
    assert signed_tables.sign_in_transition()["outbox.Entry"] == 2
    transition(None)
    sign(TenantOutbox)
    Entry.objects.filter(body={"body": "put 3"}).update(sealed=None)
    desk.work()
    assert desk.notes() == ["put 1"]
    assert Entry.objects.get(state="rejected").body == {"body": "put 3"}, "one that is put without a seal afterwards"
    discarded = Entry.objects.get(state="discarded")
    assert (entry_seal.is_genuine(discarded), entry_seal.may_be_sent(discarded)) == (True, False)


def test_an_entry_that_an_old_process_puts_during_the_upgrade_is_sent(desk: Desk) -> None:
    transition(clock.now() + timedelta(hours=1))
    desk.put("put 1")
    Entry.objects.update(sealed=None)
    assert desk.work().done == 1
    assert desk.notes() == ["put 1"]


def test_an_entry_names_the_webhook_or_the_run_whose_work_put_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[Entry] = []
    monkeypatch.setitem(handlers.HANDLERS, "ContactCreate", (lambda event: put.append(desk.put("put 1")),))
    event = Event(pk=7, type="ContactCreate", webhook_id="w7")
    handlers.run(event)
    run = desk.work()
    with current_run.working_on(run):
        put.append(desk.put("put 2"))
    put.append(desk.put("put 3"))
    assert [entry.put_in for entry in put] == ["webhooks:7", f"outbox:{run.pk}", ""]
    assert handlers.run_each(event) is None
    assert len(put) == 4
