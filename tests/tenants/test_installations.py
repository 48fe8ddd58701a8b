"""Installations change state by conditional UPDATEs, and the database refuses rows that contradict themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from integrations.backups import replaced_migrations
from integrations.backups.scratch_database import scratch_database
from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.tenants import marketplace
from integrations.tenants.models import Installation

Status = Installation.Status
BEFORE, AFTER = ("tenants", "0002_lost_client_secret"), ("tenants", "0005_installation_facts")


def make(status: Status, **fields: Any) -> Installation:
    now = clock.now()
    moments = {"status_at": now, "created_at": now}
    values: dict[str, Any] = {"app": marketplace.default(), "user_type": UserType.LOCATION, "resource_id": "loc1"}
    return Installation.objects.create(**values | moments | fields, status=status, origin=Installation.Origin.APP)


@pytest.mark.django_db
@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_filter(status: Status) -> None:
    make(status)
    rows = Installation.objects
    found = {name for name in ("pending", "installed", "uninstalled") if getattr(rows, name)().exists()}
    assert found == {status.value}
    assert rows.not_uninstalled().exists() == rows.unclaimed().exists() == (status != Status.UNINSTALLED)


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "changed"), [(timedelta(0), 1), (timedelta(seconds=1), 0)])
def test_an_uninstall_ends_the_claim_unless_the_installation_is_newer(age: timedelta, changed: int) -> None:
    row = make(Status.INSTALLED, claimed_at=clock.now(), claimed_by="operator op", reconcile_due_at=clock.now())
    assert Installation.objects.uninstall(at=row.status_at - age) == changed
    row.refresh_from_db()
    assert (row.status == Status.UNINSTALLED) == bool(changed)
    assert (row.claimed_at is None, row.claimed_by == "", row.reconcile_due_at is None) == (bool(changed),) * 3


@pytest.mark.django_db
def test_what_is_uninstalled_is_neither_claimed_nor_due_nor_installed() -> None:
    make(Status.UNINSTALLED)
    now = clock.now()
    assert Installation.objects.claim(by="user u", at=now) == 0
    assert Installation.objects.reconcile_at(now) == 0
    assert Installation.objects.reconciled(at=now, due_at=now) == 0
    assert Installation.objects.finish_pending() == 0
    assert Installation.objects.uninstall(at=now) == 0


@pytest.mark.django_db
def test_a_claim_is_made_once() -> None:
    row = make(Status.PENDING)
    assert Installation.objects.claim(by="user first", at=clock.now()) == 1
    assert Installation.objects.claim(by="user second", at=clock.now()) == 0
    row.refresh_from_db()
    assert row.claimed_by == "user first"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (Status.INSTALLED, {"claimed_at": clock.now()}),
        (Status.INSTALLED, {"claimed_by": "operator op"}),
        (Status.UNINSTALLED, {"claimed_at": clock.now(), "claimed_by": "operator op"}),
        (Status.UNINSTALLED, {"reconcile_due_at": clock.now()}),
    ],
)
def test_the_database_refuses_states_that_exclude_each_other(status: Status, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make(status, **fields)


@pytest.mark.django_db(transaction=True)
def test_the_migration_repairs_rows_that_contradict_themselves() -> None:
    now = clock.now()
    with scratch_database():
        migrated = replaced_migrations.executor({BEFORE}).migrate([BEFORE]).apps
        app = migrated.get_model("tenants", "App").objects.create(name="Ours", created_at=now)

        def make(status: Status, **fields: Any) -> None:
            moments = {"status_at": now, "created_at": now}
            values = {"app_id": app.pk, "user_type": "Location", "status": status, "origin": "app"}
            migrated.get_model("tenants", "Installation").objects.create(**values | moments | fields)

        make(Status.UNINSTALLED, resource_id="ended", claimed_at=now, claimed_by="op", reconcile_due_at=now)
        make(Status.INSTALLED, resource_id="by nobody", claimed_at=now)
        make(Status.INSTALLED, resource_id="never", claimed_by="op")
        make(Status.INSTALLED, resource_id="sound", claimed_at=now, claimed_by="op", reconcile_due_at=now)
        after = MigrationExecutor(connection).migrate([AFTER]).apps.get_model("tenants", "Installation").objects
        rows = list(after.values_list("resource_id", "claimed_at", "claimed_by", "reconcile_due_at"))
        confirmed = list(after.values_list("status", "confirmed_at", "changed_at").distinct())
    assert set(rows) == {
        ("ended", None, "", None),
        ("by nobody", now, "unknown", None),
        ("never", None, "", None),
        ("sound", now, "op", now),
    }
    assert set(confirmed) == {(Status.UNINSTALLED, None, now), (Status.INSTALLED, now, now)}
