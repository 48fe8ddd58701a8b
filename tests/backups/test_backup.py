"""A backup restores into an empty database; every tenant's token works afterwards, or its tenant is named."""

from __future__ import annotations

import base64
import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from integrations.backups import load, tables
from integrations.backups.archive import ArchiveReader
from integrations.backups.scratch_database import scratch_database
from integrations.core import audit, clock
from integrations.core.models import AuditEntry
from integrations.tokens import store
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.tokens.spool.backends import DISK
from tests.tokens.conftest import app, company, own_grant, spool_directory, vendor
from tests.vault.conftest import entry

__all__ = ["app", "company", "spool_directory", "vendor"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def backup_key(settings: Any) -> str:
    settings.BACKUP_KEY = base64.b64encode(os.urandom(32)).decode()
    return str(settings.BACKUP_KEY)


def command(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command(*words, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def table_counts() -> dict[str, int]:
    return {table.name: tables.count(table) for table in tables.every()}


@pytest.mark.slow
@pytest.mark.servers
def test_every_token_of_a_restored_copy_works_or_is_named(
    vendor: Any, app: Any, company: Credential, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    mints, alone, kept = vendor.locations
    minted = store.get_or_create(store.location(app, mints), company_id=company.resource_id, now=clock.now())
    refresh(minted.pk)
    rotated = [minted, own_grant(vendor, app, alone)]
    own_grant(vendor, app, kept)
    DISK.put("refresh-0123", b'{"at": "2026-01-01T00:00:00+00:00", "grant": "", "facts": {}}', aside=True)
    audit.record("test.before", actor="test", subject="the backup")
    before = table_counts()

    made = command(capsys, "backup", str(tmp_path / "backups"))
    for row in rotated:
        refresh(row.pk)
    vendor.advance(60)  # the vendor repeats its answer for 30 seconds
    DISK.remove("refresh-0123", aside=True)

    own, name = table_counts(), settings.NAMESPACE
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    assert f"{made['sha256']}  " in Path(made["file"] + ".sha256").read_text()
    with scratch_database():
        settings.NAMESPACE = name  # with the quota's state in Redis; without it the governor would wait first
        found = command(capsys, "restore", str(tmp_path / "backups"), "--prove")
        # The company minted for the first location; the second one had nothing but its refresh token.
        assert (found["proven"], found["waiting"]) == (3, 0)
        assert list(found["reconnect"]) == [f"Location:{alone}"]
        after = table_counts()
        assert {name for name in before if after[name] < before[name]} == set()
        assert DISK.text("refresh-0123", aside=True)
        assert audit.verify() is None
        assert AuditEntry.objects.filter(action="test.before").exists()
        with connection.cursor() as cursor, pytest.raises(Exception, match="append"):
            cursor.execute("TRUNCATE core_auditentry")
        with pytest.raises(CommandError, match="the database has tables: restore into an empty one"):
            call_command("restore", made["file"])
        assert command(capsys, "restore", "--report")["proven"] == 3
    assert table_counts() == own, "the deployment's own database is as it was"


def test_a_drill_says_what_does_not_fit(
    company: Credential, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.record("test.before", actor="test", subject="the backup")
    made = command(capsys, "backup", str(tmp_path))
    # Instead of a copy that was loaded from the file, the drill looks at this database, in which a value was moved.
    Credential.objects.filter(pk=company.pk).update(access_sealed=company.refresh_sealed)
    rows = table_counts() | {"tokens_credential": 2}
    with Path(made["file"]).open("rb") as file:
        loaded = load.Loaded(ArchiveReader(file).manifest, rows, [{"name": "torn", "text": ""}])
    monkeypatch.setattr("integrations.backups.management.commands.backup.scratch_database", nullcontext)
    monkeypatch.setattr(load, "load", lambda path: {Path(made["file"]): loaded}[path])
    with pytest.raises(CommandError, match="the backup does not fit: tokens_credential has fewer than 2 rows"):
        call_command("backup", "verify", str(tmp_path), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == [
        "tokens_credential has fewer than 2 rows",
        f"tokens.Credential.access_sealed of row {company.pk} does not open",
        "spool: torn is damaged",
    ]
    assert found["opened"] >= 2
    assert found["audit_entries"] >= 2
    assert AuditEntry.objects.filter(action="backup.verified", detail__faults=3).exists()
    # A database that was restored by other means has its tokens marked by itself.
    assert command(capsys, "restore", "--tokens-only")["waiting"] == 1
    assert Credential.objects.get().refresh_due_at <= clock.now()


def test_what_cannot_be_backed_up_or_restored_is_one_line(tmp_path: Path, settings: Any, backup_key: str) -> None:
    audit.record("test.before", actor="test", subject="the backup")
    call_command("backup", str(tmp_path), "--json")
    (file,) = tmp_path.glob("*.backup")
    refused: list[tuple[str, tuple[str, ...]]] = [
        ("say where to: backup DIR", ("backup", "verify")),
        ("is no backup, and no directory with one", ("restore", str(tmp_path / "none"))),
        ("say what to restore", ("restore",)),
        ("the audit trail records no restore", ("restore", "--report")),
        ("none that hlapp has encrypted", ("restore", __file__)),
    ]
    for words, command_line in refused:
        with pytest.raises(CommandError, match=words):
            call_command(*command_line)
    own = settings.VAULT_KEYS
    settings.VAULT_KEYS = [entry("other")]
    with pytest.raises(CommandError, match="VAULT_KEYS lacks keys that sealed what the backup has: 'test'"):
        call_command("restore", str(file))
    settings.VAULT_KEYS = own
    settings.BACKUP_KEY = base64.b64encode(os.urandom(32)).decode()
    with pytest.raises(CommandError, match="another key made it"):
        call_command("restore", str(file))
    settings.BACKUP_KEY = ""
    with pytest.raises(CommandError, match="BACKUP_KEY is not set"):
        call_command("backup", str(tmp_path))
    assert len(list(tmp_path.glob("*.backup"))) == 1
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("suffix", ["part", "backup.sha256"])
def test_a_backup_is_written_through_no_link_that_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    now, victim = clock.now(), tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(clock, "now", lambda: now)
    link = tmp_path / f"{settings.NAMESPACE}-{now:%Y%m%dT%H%M%SZ}.{suffix}"
    link.symlink_to(victim)
    with pytest.raises(CommandError, match=f"{suffix}: File exists"):
        call_command("backup", str(tmp_path))
    assert (victim.read_text(), link.is_symlink()) == ("precious", True)


def test_a_damaged_file_replaces_nothing(tmp_path: Path) -> None:
    """Its last byte is read before the first table goes."""
    audit.record("test.before", actor="test", subject="the backup")
    call_command("backup", str(tmp_path), "--json")
    (file,) = tmp_path.glob("*.backup")
    before = table_counts()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CommandError, match="does not open: it was changed, or cut off"):
        call_command("restore", str(file), "--replace")
    assert table_counts() == before
