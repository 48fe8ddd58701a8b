"""The purge of one contact: its record, its children, what mentions it; and that the next sync does not revive it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Trigger
from integrations.privacy import contact_rows, left_search, purge_requests, purge_scope
from integrations.privacy.models import Purge
from integrations.sync import records, suppression, webhook_handlers
from integrations.sync.models import Record, SuppressedRecord, SuppressionKey
from integrations.tenants.models import App
from integrations.vault import forget, keys
from integrations.webhooks.models import Event
from tests.privacy.conftest import ANN, BOB_PLACE, EVE, deliver, work

pytestmark = pytest.mark.django_db
PLACE = Tenant.location(BOB_PLACE)  # the app is installed there
TEXTS = (ANN["email"], ANN["phone"])


def purged() -> Purge:
    return work(purge_requests.request(PLACE, actor="operator ann", contact=ANN["id"]))


def here(**fields: Any) -> set[str]:
    return set(Record.objects.filter(location_id=BOB_PLACE, **fields).values_list("record_id", flat=True))


def left() -> set[str]:
    """The rows of this location that have the contact, by table; other locations have it too."""
    scope = purge_scope.of(PLACE, contact=ANN["id"])
    return {about.name for about in contact_rows.ALL if about.rows(scope).exists()}


@pytest.mark.slow
def test_all_about_the_contact_goes_and_all_else_stays(planted: App) -> None:
    by_address = deliver(planted, PLACE, {"email": ANN["email"]}, status="pending")
    of_eve = deliver(planted, PLACE, EVE)
    called = {"app": planted, "resource_id": BOB_PLACE, "operation": "contacts.create-contact", "lane": "bulk"}
    of_nobody = Call.objects.create(
        at=clock.now(), took_ms=1, method="POST", path="/contacts/", request_sealed=b"sealed", **called
    )
    assert left() == {one.name for one in contact_rows.ALL} - {"sync.Run"}
    purge = purged()
    assert (purge.status, purge.contact_id, purge.counts["sync.Record"]) == ("complete", "", 1)
    assert left() == set()
    assert here() == {EVE["id"]}
    for event in Event.objects.filter(mailbox__tenant=PLACE.mailbox_key).exclude(pk=of_eve.pk):
        assert event.payload == contact_rows.EMPTIED
    by_address.refresh_from_db()
    of_eve.refresh_from_db()
    assert (by_address.status, by_address.webhook_id != "") == ("ignored", True), "a repetition of it is recognised"
    assert of_eve.payload["email"] == EVE["email"]
    assert not Trigger.objects.filter(schedule__tenant_id=BOB_PLACE).exists()
    (call,) = Call.objects.filter(resource_id=BOB_PLACE)
    assert (call, call.request_sealed) == (of_nobody, None), "nobody can tell what a sealed request has"
    assert JobRun.objects.get(schedule__tenant_id=BOB_PLACE).note == ""
    texts = json.dumps(list(AuditEntry.objects.values("actor", "subject", "detail")))
    assert [text for text in (ANN["id"], *TEXTS) if text in texts] == []


@pytest.mark.slow
def test_neither_a_sync_nor_a_webhook_brings_it_back(planted: App) -> None:
    purged()
    deal = {"id": "annsNextDeal", "name": "Ann's garden", "contactId": ANN["id"]}
    page = records.merge(planted.pk, BOB_PLACE, "contacts", [ANN, EVE], run_id=1, observed_at=clock.now())
    assert (page.inserted, page.skipped) == (0, 1), "the run counts it, so that its total is explained"
    assert records.merge(planted.pk, BOB_PLACE, "opportunities", [deal]).skipped == 1
    webhook_handlers.apply_all([deliver(planted, PLACE, ANN, type=name) for name in ("ContactCreate", "ContactUpdate")])
    assert here() == {EVE["id"]}
    again = {**ANN, "id": "annAgain6Xn2Wb8Lq"}
    assert records.merge(planted.pk, BOB_PLACE, "contacts", [again]).inserted == 1, "a new contact at the vendor"
    assert suppression.release(BOB_PLACE, "contacts", ANN["id"])
    assert records.merge(planted.pk, BOB_PLACE, "contacts", [ANN]).inserted == 1
    assert not suppression.release(BOB_PLACE, "contacts", ANN["id"])


@pytest.mark.slow
def test_a_suppression_names_nobody_and_ends_with_its_key(planted: App) -> None:
    purged()
    rows = list(SuppressedRecord.objects.all())
    assert len(rows) == 2, "the contact and its opportunity"
    assert all(ANN["id"].encode() not in bytes(row.record_hash) + bytes(row.location_hash) for row in rows)
    lost = suppression.LostSuppressionKey()
    assert lost.forget("another", actor="operator ann") == {}
    assert lost.label in forget._registered
    assert lost.forget(keys.ring().newest, actor="operator ann") == {"suppressions ended": 2}
    assert not SuppressionKey.objects.exists()
    assert records.merge(planted.pk, BOB_PLACE, "contacts", [ANN]).inserted == 1
    assert AuditEntry.objects.filter(action="suppression.key_lost").exists()


@pytest.mark.slow
def test_a_purge_waits_for_a_run_that_still_works_on_the_contact(planted: App) -> None:
    JobRun.objects.filter(schedule__tenant_id=BOB_PLACE).update(
        status="running", finished_at=None, page={"items": [ANN]}
    )
    purge = work(purge_requests.request(PLACE, actor="operator ann", contact=ANN["id"]), turns=3)
    assert (purge.status, purge.note) == ("running", "waits for job runs (emptied)")
    JobRun.objects.update(status="complete", finished_at=clock.now())
    assert work(purge).status == "complete"


@pytest.mark.slow
def test_the_command_and_what_it_refuses(planted: App, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    of_ann = ("--location", BOB_PLACE, "--contact", ANN["id"])
    call_command("purge", "contact", *of_ann, "--yes", "--export", str(tmp_path / "ann"), "--json")
    asked = json.loads(capsys.readouterr().out)
    assert (asked["status"], asked["of_contact"], asked["tenant"]) == ("waiting", True, PLACE.audit_subject)
    exported = {path.name: path.read_text() for path in (tmp_path / "ann").iterdir()}
    assert ANN["email"] in exported["sync.Record.jsonl"]
    assert "annsDeal3" in exported["sync.Record-children.jsonl"]
    assert ANN["email"] in exported["sync.HistoryEntry.jsonl"]
    assert EVE["email"] not in "".join(exported.values())
    for wrong in ("a b", "x" * 65):
        with pytest.raises(CommandError, match="should be HighLevel's"):
            call_command("purge", "contact", "--location", BOB_PLACE, "--contact", wrong, "--yes")
    with pytest.raises(BadRequest, match="belongs to a location"):
        purge_requests.request(Tenant.company("agency"), actor="operator ann", contact=ANN["id"])
    with pytest.raises(CommandError, match="--contact needs --location"):
        call_command("export", "--company", "agency", "--contact", ANN["id"], str(tmp_path / "x"))
    with pytest.raises(CommandError, match="no purge 0"):
        call_command("purge", "show", "0")
    with pytest.raises(CommandError, match="needs --now"):
        call_command("purge", "contact", *of_ann, "--yes", "--wait")
    found = {one.place for one in left_search.search(purge_scope.of(PLACE, contact=ANN["id"]), [ANN["email"].upper()])}
    assert {"sync_record.record_id", "sync_record.payload", "privacy_purge.contact_id"} <= found
