"""Fields that are encrypted at rest: nothing of them in the database, merged as ever, open through the queries."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from hlapp.env import ConfigurationError
from integrations.core import clock
from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.privacy import contact_rows, export_writer, purge_scope
from integrations.sync import queries, records, sealed_fields
from integrations.sync.models import Plan, Record, RecordKey
from integrations.sync.resources import Change, sealable
from integrations.sync.sealed_fields import MARK, FieldOpener, LostDataKeys
from integrations.tenants.models import App
from integrations.vault import data_keys, keys, rotation, sealed_counts
from tests.support.processes import running
from tests.sync.conftest import LOCATION

pytestmark = pytest.mark.django_db
ANN = {
    "id": "ann",
    "email": "ann@planted.example",
    "phone": "+15125550199",
    "name": "Ann Planted",
    "tags": ["roof"],
    "note": None,
    "dateUpdated": "2026-01-01T00:00:00Z",
}
OTHER_KEY = "second:nGJr3Zt1VQ0K3i3o8hH3mZq0rM1n5v9W8sX2yB7cD4E="


@pytest.fixture(autouse=True)
def chosen(settings: Settings) -> Settings:
    settings.SEALED_FIELDS = ["contacts.email", "contacts.phone"]
    return settings


def merge(app: App, *rows: dict[str, Any], **options: Any) -> records.Merged:
    return records.merge(app.pk, LOCATION, "contacts", rows, observed_at=clock.now(), **options)


def stored() -> dict[str, Any]:
    return dict(Record.objects.get().payload)


def opened(app: App) -> dict[str, Any]:
    ((_, payload),) = queries.opened(queries.records(app, LOCATION, "contacts"))
    return payload


def table() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(r::text, ' ') FROM sync_record r")
        return str(cursor.fetchone()[0])


def test_the_database_has_nothing_of_a_chosen_field_and_queries_have_it_all(app: App) -> None:
    merge(app, ANN)
    assert [text for text in (ANN["email"], ANN["phone"]) if text in table()] == []
    assert stored()["name"] == ANN["name"]
    assert opened(app) == ANN


def test_every_field_but_those_that_place_the_record(app: App, chosen: Settings) -> None:
    chosen.SEALED_FIELDS = ["contacts.*"]
    merge(app, ANN)
    plain = {name for name, value in stored().items() if not sealed_fields.is_sealed(value)}
    assert plain == {"id", "dateUpdated", "note"}, "and empty ones"
    assert opened(app) == ANN
    record = Record.objects.get()
    chosen.SEALED_FIELDS = []
    assert records.merge(app.pk, LOCATION, "opportunities", [{"id": "deal", "name": "roof"}]).inserted == 1
    merge(app, ANN)
    record.refresh_from_db()
    assert record.payload == ANN, "a listing writes it as the setting is now"


def test_the_same_value_is_no_change_and_a_partial_event_keeps_the_other_fields(app: App) -> None:
    merge(app, ANN)
    before = stored()
    assert merge(app, ANN).unchanged == 1
    now = clock.now()
    change = Change("ann", {"email": "new@planted.example"}, now, Change.Kind.UPDATED)
    assert records.apply(app.pk, LOCATION, "contacts", change)
    assert opened(app) == ANN | {"email": "new@planted.example"}
    assert stored()["phone"] == before["phone"]
    plan = Plan.objects.create(app=app, location_id=LOCATION, resource="contacts", created_at=now)
    later = Change("ann", {"phone": "+15125550000"}, now + timedelta(seconds=1), Change.Kind.UPDATED)
    records.apply_planned([records.Placed(plan.app_id, LOCATION, "contacts", later)])
    assert opened(app)["phone"] == "+15125550000"
    answer = ANN | {"email": "asked@planted.example", "dateUpdated": "2100-01-01T00:00:00Z"}
    assert records.confirm(Record.objects.get(), answer, clock.now() + timedelta(minutes=5), run_id=1)
    assert opened(app)["email"] == "asked@planted.example"
    assert "asked@" not in table()


def test_a_value_opens_only_in_its_place(app: App) -> None:
    merge(app, ANN, ANN | {"id": "eve", "email": "eve@planted.example"})
    ann, eve = Record.objects.order_by("record_id")
    for swapped in ({"email": eve.payload["email"]}, {"email": ann.payload["phone"]}, {"email": {MARK: "AAAA"}}):
        with pytest.raises(SealBroken, match="changed or moved"):
            FieldOpener().opened(LOCATION, "contacts", "ann", ann.payload | swapped)
    with pytest.raises(SealBroken, match="is lost"):
        FieldOpener().opened("elsewhere", "contacts", "ann", ann.payload)
    key = data_keys.new_key()
    assert data_keys.decrypt(key, data_keys.encrypt(key, "x", ("a", "b")), ("a", "b")) == "x"
    with pytest.raises(SealBroken):
        data_keys.decrypt(key, data_keys.encrypt(key, "x", ("a", "b")), ("ab", ""))


def test_a_rotation_reseals_the_data_key_and_leaves_the_records(app: App, chosen: Settings) -> None:
    merge(app, ANN)
    before, old = stored(), keys.ring().newest
    chosen.VAULT_KEYS = [OTHER_KEY, *chosen.VAULT_KEYS]
    assert sealed_counts.count().by_column["sync.RecordKey.sealed"] == {old: 1}
    rotation.rotate(keys.ring(), watcher=rotation.Watcher())
    assert sealed_counts.count().by_column["sync.RecordKey.sealed"] == {"second": 1}
    assert (stored(), opened(app)) == (before, ANN)


def test_a_lost_key_takes_the_fields_along_until_the_next_full_run(app: App) -> None:
    merge(app, ANN)
    plan = Plan.objects.create(app=app, location_id=LOCATION, resource="contacts", created_at=clock.now())
    assert LostDataKeys().forget("another", actor="operator ann") == {}
    assert LostDataKeys().forget(keys.ring().newest, actor="operator ann") == {"data keys deleted": 1}
    plan.refresh_from_db()
    assert plan.repair_asked_at is not None
    assert plan.due_at is not None
    assert AuditEntry.objects.filter(action="record_key.lost", subject=f"Location:{LOCATION}").exists()
    with pytest.raises(SealBroken, match="sync --full"):
        opened(app)
    merge(app, ANN, repair=True)
    assert opened(app) == ANN


def test_pages_exports_and_purges_open_them(app: App, admin_client: Client, tmp_path: Path) -> None:
    merge(app, ANN)
    page = reverse("admin:sync_record_change", args=[Record.objects.get().pk])
    assert ANN["email"] in admin_client.get(page).content.decode()
    scope = purge_scope.of(Tenant.location(LOCATION), contact="ann")
    assert set(contact_rows.words(scope)) == {"ann", ANN["email"], ANN["phone"]}
    export_writer.write(scope, tmp_path / "out", actor="operator ann")
    assert ANN["email"] in (tmp_path / "out" / "sync.Record.jsonl").read_text()
    RecordKey.objects.all().delete()
    assert "is lost" in admin_client.get(page).content.decode()


def test_a_wrong_setting_is_named() -> None:
    assert sealable.problem("contacts.email") == sealable.problem("contacts.*") == ""
    assert "should be one of" in sealable.problem("persons.email")
    assert "should be one of" in sealable.problem("contacts")
    assert "cannot be encrypted" in sealable.problem("opportunities.contactId")


@pytest.mark.slow
def test_a_wrong_setting_stops_the_start() -> None:
    with running("manage.py", "check", stderr=-2, SEALED_FIELDS="persons.email") as process:
        said = process.communicate()[0]
    assert process.returncode != 0
    assert "SEALED_FIELDS is refused: 'persons.email' should be one of" in said
    assert ConfigurationError.__name__ not in said
