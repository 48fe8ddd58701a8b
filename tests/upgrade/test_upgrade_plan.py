"""`manage.py upgrade`: the plan of an upgrade, the lint of migrations, and the notes of releases."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError

from hlapp.upgrade import (
    lint_exceptions,
    migrated_release,
    migration_lint,
    observed_migrations,
    release_notes,
    upgrade_plan,
)
from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry, WorkerProcess
from integrations.vault import status as vault
from integrations.vault.status import VaultStatus

NOTES = """# Changelog

## 0.3.0 (unreleased)

### Upgrade

- Run `vault rotate`
  afterwards.

### Added

- Something.

## 0.2.0 (2026-05-01)

### Changed

- **Another** thing.

## 0.1.0 (2026-04-01)

### Added

- Everything.
"""


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(release_notes, "_text", lambda: NOTES)
    release_notes.version.cache_clear()
    yield
    release_notes.version.cache_clear()


def test_notes_of_the_versions_since_another_one(notes: None) -> None:
    assert release_notes.version() == "0.3.0"
    found = release_notes.since("0.1.0")
    assert [(one.version, one.parts) for one in found] == [
        ("0.3.0", {"Upgrade": ["Run `vault rotate` afterwards."], "Added": ["Something."]}),
        ("0.2.0", {"Changed": ["**Another** thing."]}),
    ]
    assert [one.version for one in release_notes.since("")] == ["0.3.0", "0.2.0", "0.1.0"]
    assert release_notes.since("0.10") == []


def test_the_version_of_the_package_is_that_of_the_changelog() -> None:
    assert release_notes.version() == "0.1.0"
    assert release_notes.since("")[-1].parts["Added"]


def shown(*argv: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("upgrade", *argv, stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_without_migrations_there_are_restarts_and_notes(notes: None) -> None:
    now = clock.now()
    WorkerProcess.objects.report("host-1", threads=4, queues=["urgent"], now=now)
    migrated_release.record()
    migrated_release.record()  # the same version again
    assert AuditEntry.objects.filter(action="release.migrated").count() == 1
    text = shown("--plan", "--since", "0.2.0")
    assert "From 0.2.0 to 0.3.0" in text
    assert "No migrations" in text
    assert "host-1" in text
    assert "Run `vault rotate` afterwards." in text
    assert "Something." not in text  # new features need no operator
    steps = json.loads(shown("--plan", "--json"))["steps"]
    order = [next(i for i, step in enumerate(steps) if word in step) for word in ("backup", "web", "worker", "beat")]
    assert order == sorted(order)
    assert json.loads(shown("--plan", "--json"))["since"] == "0.3.0"


def found_by_vault(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    plain: dict[str, Any] = {"newest": "k2", "keys": [], "stale": 0, "without_address": 0, "damaged": 0}
    plain |= {"retirable": [], "missing": [], "problems": []} | fields
    monkeypatch.setattr(vault, "examine", lambda: VaultStatus(**plain))


@pytest.mark.django_db
def test_what_the_vault_needs_is_part_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    found_by_vault(monkeypatch, stale=7, retirable=["k1"])
    plan = upgrade_plan.make()
    assert plan.steps[-2] == "manage.py vault rotate"
    assert [line.partition(" ")[0] for line in plan.vault] == ["7", "keys"]
    found_by_vault(monkeypatch, problems=["the key 'k1' is missing"])
    with pytest.raises(CommandError, match="first: the key 'k1' is missing"):
        shown("--plan")


@pytest.mark.django_db
def test_new_code_on_an_older_database_says_what_it_cannot_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def examine() -> VaultStatus:
        raise ProgrammingError("column does not exist")

    def refuse() -> Any:
        raise BadRequest("a database for the check cannot be created: the user needs CREATEDB")

    monkeypatch.setattr(vault, "examine", examine)
    monkeypatch.setattr(observed_migrations, "pending", lambda: [("sync", "0099_next")])
    monkeypatch.setattr(upgrade_plan, "scratch_database", refuse)
    plan = json.loads(shown("--plan", "--json"))
    assert [one["name"] for one in plan["migrations"]] == ["sync.0099_next"]
    assert plan["remarks"] == [
        "the vault can be examined after the migrations: manage.py vault status",
        "locks are unknown: a database for the check cannot be created: the user needs CREATEDB",
    ]


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_the_lint_and_the_plan_of_real_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over all migrations: the lint finds none without an exception, and the plan shows their locks."""
    effects: dict[str, Any] = {}
    observe = observed_migrations.observe

    def kept(nodes: Any) -> Iterator[Any]:
        for one in observe(nodes):
            effects[one.name] = one
            yield one

    monkeypatch.setattr(observed_migrations, "observe", kept)
    found = migration_lint.lint()
    assert (found.findings, found.needless) == ({}, [])
    assert found.excused.keys() == lint_exceptions.EXCEPTIONS.keys()
    assert found.migrations > 70
    sizes = {"sync_record": (12_000_000, 9 * 2**30)}
    planned = upgrade_plan._planned(effects["sync.0014_searches_and_feed"], sizes)
    [table] = [one for one in planned.tables if one.name == "sync_record"]
    assert (table.keeps_out, table.rows, table.rewritten) == ("reads and writes", 12_000_000, False)
    assert planned.warnings == []
    monkeypatch.setattr(upgrade_plan, "make", lambda since: upgrade_plan.UpgradePlan("0.2.0", since, [planned]))
    assert "sync_record (about 12,000,000 rows, 9,216.0 MB): keeps out reads and writes" in shown("--plan")
