"""A backup names migrations that others replace; the tables that it needs are made whichever its release had run."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from integrations.backups import load, replaced_migrations
from integrations.backups.scratch_database import scratch_database
from integrations.core.errors import BadRequest
from integrations.tenants.models import App

pytestmark = pytest.mark.django_db(transaction=True)


def applied() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def test_a_backup_of_all_replaced_migrations_needs_only_what_replaces_them() -> None:
    had = replaced_migrations.every()
    shortest = replaced_migrations.shortest(had)
    assert len(shortest) < len(had) / 2
    assert {app for app, _ in shortest} == {app for app, _ in had}
    assert replaced_migrations.shortest(shortest) == shortest


def test_a_backup_from_before_the_last_migrations_of_an_app_goes_through_them() -> None:
    had = replaced_migrations.every() - {
        ("core", "0013_validate_known_values"),
        ("quota", "0007_validate_known_values"),
    }
    with scratch_database():
        load._migrate(had)
        assert applied() & replaced_migrations.every() == had
        call_command("migrate", verbosity=0, interactive=False)
        assert applied() == replaced_migrations.known()
        assert App.objects.count() == 0


def test_a_backup_of_a_newer_release_is_refused() -> None:
    manifest: dict[str, Any] = {"migrations": [["sync", "0001_initial"], ["sync", "0999_of_tomorrow"]]}
    with pytest.raises(BadRequest, match=r"sync\.0999_of_tomorrow"):
        load._known_migrations(manifest)
