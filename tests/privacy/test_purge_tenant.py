"""The purge of a tenant: what goes, what stays, the grace period, the receipt, and the proof that nothing is left."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.exports.models import Export, ExportChunk
from integrations.privacy import (
    left_search,
    purge_requests,
    purge_run,
    purge_scope,
    purge_stages,
    retention_sweep,
    tasks,
)
from integrations.privacy.models import Purge
from integrations.sync.models import HistoryEntry, Plan, Record, RecordKey
from integrations.tenants import history, lifecycle_hooks
from integrations.tenants.models import App, Company, Installation, Location
from integrations.webhooks.models import Event
from tests.plugin.dispatch import send_due
from tests.privacy.conftest import AGENCY, ANN, ANN_PLACE, BOB_PLACE, EVE, deliver, work

pytestmark = pytest.mark.django_db
ANNS, BOBS, AGENCYS = Tenant.location(ANN_PLACE), Tenant.location(BOB_PLACE), Tenant.company(AGENCY)
NAMES = (ANN["name"], ANN["email"], "owner@planted.example", f"Place {ANN_PLACE}")


def ask(tenant: Tenant, **options: Any) -> Purge:
    return purge_requests.request(tenant, actor="operator ann", **options)


def counted(tenant: Tenant) -> dict[str, int | None]:
    return purge_stages.counts(purge_scope.of(tenant))


def left(tenant: Tenant, *texts: str) -> list[left_search.LeftOver]:
    return [one for one in left_search.search(purge_scope.of(tenant), texts) if not one.kept]


def command(*arguments: str) -> Any:
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.slow
def test_everything_of_the_tenant_goes_and_nothing_of_another(planted: App) -> None:
    before = counted(BOBS)
    for tenant in (ANNS, BOBS):
        assert {name for name, number in counted(tenant).items() if not number} == {"tenants.Company"}, "all is planted"
    deliver(planted, ANNS, ANN, mailbox="app")
    deliver(planted, ANNS, ANN, mailbox=AGENCYS.mailbox_key)
    places = {one.place.partition(".")[0].partition(":")[0] for one in left(ANNS, *NAMES)}
    assert {"sync_record", "webhooks_event", "tenants_location", "quota_parked", "tenants_installation"} <= places
    assert any(one.place.startswith("Redis") for one in left(ANNS)), "its quota state"
    assert any(one.place.startswith("spool") for one in left(ANNS)), "its tokens"
    purge = work(ask(ANNS))
    assert (purge.status, purge.note) == ("complete", "")
    assert left(ANNS, NAMES[3]) == []
    assert [one.place for one in left_search.search(purge_scope.of(ANNS)) if one.kept] == [
        "core_auditentry.subject",
        "privacy_purge.tenant_id",
    ]
    assert counted(BOBS) == before
    assert not Location.objects.filter(pk=ANN_PLACE).exists()
    assert Company.objects.filter(pk=AGENCY).exists(), "its agency is another tenant"
    assert purge.counts["sync.Record"] == 3
    assert purge.counts["webhooks.Event"] == 3, "its own, and those in the mailboxes of its agency and of the app"
    assert purge.counts["redis"] == purge.counts["spool"] == 1


@pytest.mark.slow
def test_the_receipt_is_in_the_audit_trail_and_names_no_person(planted: App) -> None:
    work(purge := ask(ANNS))
    purge.refresh_from_db()
    entry = AuditEntry.objects.get(pk=purge.receipt)
    assert (entry.action, entry.actor, entry.subject) == ("purge.completed", "operator ann", f"Location:{ANN_PLACE}")
    assert entry.detail["deleted"] == purge.counts
    assert entry.detail["left"] == 0
    assert entry.detail["requested_at"] < entry.detail["finished_at"]
    assert audit.verify() is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(a::text, ' ') FROM core_auditentry a")
        trail = cursor.fetchone()[0]
    assert [name for name in (*NAMES, ANN["id"], ANN["phone"]) if name in trail] == []
    assert command("purge", "show", str(purge.pk))["receipt"]["entry"] == entry.pk


@pytest.mark.slow
def test_an_agency_takes_its_locations_along(planted: App) -> None:
    Installation.objects.update(status="uninstalled")
    purge = work(ask(AGENCYS))
    assert (purge.status, purge.locations) == ("complete", sorted([ANN_PLACE, BOB_PLACE]))
    assert AuditEntry.objects.get(pk=purge.receipt).detail["locations"]["count"] == 2
    for tenant in (AGENCYS, ANNS, BOBS):
        assert left(tenant, *NAMES) == [], tenant
    for model in (Record, Plan, HistoryEntry, RecordKey, Export, ExportChunk):
        assert not model.objects.exists(), f"{model.__name__}: those of the agency's own resources, too"
    assert not Company.objects.exists()


def test_nothing_goes_before_the_grace_period_ends_and_it_can_be_cancelled(planted: App, settings: Settings) -> None:
    settings.PURGE_GRACE_DAYS = 3
    before, purge = counted(ANNS), ask(ANNS)
    assert purge.begins_at - purge.requested_at == timedelta(days=3)
    assert tasks.SOURCE.take(10, clock.now()) == []
    purge_run.turn(purge.pk)  # a forged message
    assert counted(ANNS) == before
    with pytest.raises(BadRequest, match="asked for already"):
        ask(ANNS)
    assert command("purge", "cancel", str(purge.pk))["status"] == "cancelled"
    work(purge)
    assert counted(ANNS) == before
    with pytest.raises(BadRequest, match="only a waiting purge"):
        purge_requests.cancel(purge, actor="operator ann")
    assert ask(ANNS, at_once=True).begins_at <= clock.now(), "another one may be asked for"


def test_the_dispatcher_sends_it_when_the_grace_period_is_over(planted: App) -> None:
    purge = ask(ANNS, at_once=True)
    assert tasks.SOURCE.take(10, clock.now()) == [purge.pk]
    assert tasks.SOURCE.take(10, clock.now()) == [], "its message is on its way"
    Purge.objects.update(due_at=clock.now())
    assert send_due("purges") == 1


@pytest.mark.slow
def test_what_is_installed_is_not_purged(planted: App) -> None:
    for tenant in (BOBS, AGENCYS):
        with pytest.raises(BadRequest, match="still installed"):
            ask(tenant)
    with pytest.raises(BadRequest, match="nothing is stored"):
        ask(Tenant.location("nobodysPlace"))
    before, purge = counted(ANNS), ask(ANNS, at_once=True)
    Installation.objects.filter(resource_id=ANN_PLACE).update(status="pending")
    work(purge)
    assert (purge.status, counted(ANNS)) == ("cancelled", before)
    assert "installed again" in purge.note


@pytest.mark.slow
def test_data_that_comes_meanwhile_goes_too(planted: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that began before the purge commits behind its back: the next pass finds its rows."""
    purge, once = ask(ANNS, at_once=True), []
    end = purge_run._end_pass

    def late(*arguments: Any) -> bool:
        if not once:
            once.append(deliver(planted, ANNS, ANN))
        return end(*arguments)

    monkeypatch.setattr(purge_run, "_end_pass", late)
    work(purge)
    assert (purge.status, once[0].pk in Event.objects.values_list("pk", flat=True)) == ("complete", False)
    assert purge.counts["webhooks.Event"] == 2
    assert purge.passes > 1


@pytest.mark.slow
def test_it_is_not_complete_before_running_transactions_must_have_ended(planted: App) -> None:
    purge = ask(ANNS, at_once=True)
    purge_run.turn(purge.pk)
    purge.refresh_from_db()
    assert (purge.status, purge.passes) == ("running", 1)
    assert purge.due_at is not None
    assert purge.begun_at is not None
    assert purge.due_at >= purge.begun_at + purge_run.SETTLE


@pytest.mark.slow
def test_a_location_that_an_operator_removed_does_not_come_back_from_its_agencys_list(planted: App) -> None:
    Installation.objects.filter(resource_id=ANN_PLACE).update(removed_at=clock.now())
    purge = work(ask(ANNS))
    row = Installation.objects.get(resource_id=ANN_PLACE)
    assert purge.status == "complete"
    assert (row.installer, row.installer_id, row.removed_at is not None) == ({}, "", True)
    assert Location.objects.get(pk=ANN_PLACE).name == ""
    assert left(ANNS, NAMES[3]) == []
    kept = {one.place for one in left_search.search(purge_scope.of(ANNS)) if one.kept}
    assert {"tenants_installation.resource_id", "tenants_location.id"} <= kept


def test_an_uninstall_asks_for_it_by_setting(planted: App, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_hooks, "HOOKS", {})
    lifecycle_hooks.on("uninstalled")(purge_requests.after_uninstall)
    row = Installation.objects.get(resource_id=ANN_PLACE)
    for _ in range(2):
        history.add(row.change("uninstalled", clock.now()))  # type: ignore[arg-type]
        for change_id in lifecycle_hooks.take_due(10, clock.now()):
            lifecycle_hooks.deliver(change_id)
    purge = Purge.objects.get()
    assert (purge.requested_by, purge.tenant, purge.status) == (purge_requests.AUTOMATIC, ANNS, "waiting")
    other = Installation.objects.get(resource_id=BOB_PLACE)
    purge_requests.after_uninstall(other.change("uninstalled", clock.now()))  # type: ignore[arg-type]
    assert Purge.objects.count() == 1, "an app is still installed there"


@pytest.mark.slow
def test_the_command(planted: App, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place, target = ("--location", ANN_PLACE), tmp_path / "export"
    assert command("purge", "tenant", *place, "--dry-run")["found"]["sync.Record"] == 3
    with pytest.raises(CommandError, match="something is left"):
        command("purge", "verify", *place)
    monkeypatch.setattr("sys.stdin", io.StringIO("another id\n"))
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("purge", "tenant", *place, stderr=io.StringIO())
    monkeypatch.setattr(purge_run, "SETTLE", timedelta(0))
    monkeypatch.setattr(purge_run, "AGAIN", timedelta(0))
    done = command("purge", "tenant", *place, "--now", "--wait", "--yes", "--export", str(target))
    assert (done["status"], done["deleted"]["sync.Record"]) == ("complete", 3)
    assert command("purge", "verify", *place, "--text", ANN["name"] + "x")["left"] == 0
    assert [row["id"] for row in command("purge", "list")] == [done["id"]]
    records = [json.loads(line) for line in (target / "sync.Record.jsonl").read_text().splitlines()]
    assert {row["payload"]["id"] for row in records} >= {ANN["id"]}
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["lines"]["sync.Record"] == 3
    assert all("sealed" not in (target / f"{name}.jsonl").read_text() for name in manifest["lines"])
    assert (target / "sync.Record.jsonl").stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="has files already"):
        command("export", "--location", BOB_PLACE, str(target))
    assert command("export", "--location", BOB_PLACE, str(tmp_path / "bob"))["lines"]["sync.Record"] == 3


def test_the_search_looks_for_every_location_of_a_large_agency(planted: App, monkeypatch: pytest.MonkeyPatch) -> None:
    agency = purge_scope.of(Tenant.company(AGENCY))
    whole = {(one.place, one.label) for one in left_search.search(agency, [ANN["email"]])}
    monkeypatch.setattr(left_search, "AT_ONCE", 1)
    assert {(one.place, one.label) for one in left_search.search(agency, [ANN["email"]])} == whole
    assert {"webhooks_mailbox.tenant", "quota_parked.key"} <= {place for place, _ in whole}


@pytest.mark.slow
def test_webhooks_that_come_after_the_purge_are_deleted(planted: App) -> None:
    work(purge_requests.request(ANNS, actor="operator ann", at_once=True))
    late, pending = (deliver(planted, ANNS, ANN, status=status) for status in ("done", "pending"))
    others = deliver(planted, Tenant.location(BOB_PLACE), EVE)
    assert retention_sweep.tidy(clock.now())["webhooks after a purge"] == 1
    assert not Event.objects.filter(pk=late.pk).exists()
    assert Event.objects.filter(pk__in=[pending.pk, others.pk]).count() == 2
    Event.objects.filter(pk=pending.pk).update(status="ignored")
    now = clock.now()
    Installation.objects.create(
        app=planted,
        user_type="Location",
        resource_id=ANN_PLACE,
        status="installed",
        origin="bulk",
        status_at=now,
        created_at=now,
    )
    assert retention_sweep.tidy(now)["webhooks after a purge"] == 0, "it is back"
