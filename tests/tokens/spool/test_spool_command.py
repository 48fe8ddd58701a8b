"""`manage.py spool status|retry|drop` as an operator sees it, and `doctor`'s line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from integrations.console.doctor.findings import Level
from integrations.console.doctor.spool_check import spool as doctors
from integrations.core.errors import StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.quota import sealed_hash
from integrations.tokens.models import Credential
from integrations.tokens.spool import spool
from tests.tokens.spool.test_spool import no_writes, spoil
from tests.vault.test_spool_keys import put_in_spool

pytestmark = pytest.mark.django_db(transaction=True)


def run(*argv: str) -> tuple[str, str]:
    """Standard output, and the complaint of a failure."""
    out = io.StringIO()
    try:
        call_command("spool", *argv, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def set_aside(row: Credential, directory: Path) -> str:
    """An entry that was damaged when it was tried, and with a copy on disk that is whole again."""
    name = put_in_spool(row, "newer")
    whole = (directory / name).read_bytes()
    spoil(directory / name)
    sealed_hash.put("spool", name, (directory / name).read_bytes())
    spool.drain_all()
    assert list(sealed_hash.items("spool-aside")) == [name]
    (directory / f"{name}.aside").write_bytes(whole)
    return name


def levels() -> list[tuple[Level, str]]:
    return [(finding.level, finding.found) for finding in doctors()]


def test_an_empty_spool(location, spool_directory) -> None:
    assert run("status") == ("nothing waits, and nothing was set aside.\n", "")
    assert run("retry") == ("nothing waits, and nothing was set aside.\n", "")
    assert levels() == [(Level.OK, "can be written")]
    assert not spool_directory.exists(), "the caller may be root, and no other user could write to its directory"


def test_status_lists_what_waits_and_what_was_set_aside(location, neighbour, spool_directory) -> None:
    aside = set_aside(location, spool_directory)
    waits = put_in_spool(neighbour, "newer")
    (spool_directory / "pair-strange").mkdir()
    found = json.loads(run("status", "--json")[0])
    assert [(entry["name"], entry["standing"], entry["places"]) for entry in found["entries"]] == [
        (aside, "set aside", ["disk", "redis"]),
        ("pair-strange", "unreadable", ["disk"]),
        (waits, "waits", ["disk", "redis"]),
    ]
    assert found["entries"][2]["facts"]["credential"] == neighbour.pk
    assert f"waits  {waits}" in run("status")[0]
    assert [level for level, _ in levels()] == [Level.OK, Level.WARNING, Level.WARNING, Level.WARNING]
    assert all(finding.fix for finding in doctors() if finding.level != Level.OK)


def test_retry_commits_what_was_mended(location, neighbour, spool_directory) -> None:
    name = set_aside(location, spool_directory)
    other = put_in_spool(neighbour, "newer")
    assert run("retry", name, "--json") == (json.dumps({"entries": {name: "committed"}}, indent=2) + "\n", "")
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert list(sealed_hash.items("spool")) == [other]
    assert sealed_hash.items("spool-aside") == {}


def test_retry_says_what_is_left_and_why(location, spool_directory) -> None:
    name = set_aside(location, spool_directory)
    spoil(spool_directory / f"{name}.aside")
    assert run("retry") == (f"{name}: set aside: SealBroken\n", "1 left")
    assert run("retry", "pair-nobody")[1] == "not in the spool: pair-nobody"
    waits = put_in_spool(location, "newer")
    with no_writes("tokens_credential"):
        assert run("retry", waits) == (f"{waits}: waits: OperationalError\n", "1 left")


def test_drop_asks_and_is_recorded(location, spool_directory, monkeypatch) -> None:
    name = set_aside(location, spool_directory)
    monkeypatch.setattr(sys, "stdin", io.StringIO("no\n"))
    assert "nothing was changed" in run("drop", name)[1]
    assert list(sealed_hash.items("spool-aside")) == [name]
    assert run("drop", name, "--yes") == (f"{name} was deleted.\n", "")
    assert (list(spool_directory.iterdir()), sealed_hash.items("spool-aside")) == ([], {})
    assert AuditEntry.objects.get(action="spool.dropped").subject == name
    assert "has no entry" in run("drop", name, "--yes")[1]


def test_while_the_database_is_away_nothing_is_dropped(location, spool_directory, monkeypatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    name = put_in_spool(location, "newer")
    monkeypatch.setattr("integrations.core.audit.record", away)
    assert "nothing was changed" in run("drop", name, "--yes")[1]
    assert list(sealed_hash.items("spool")) == [name]


def test_what_cannot_be_taken_away_is_not_called_gone(location, spool_directory) -> None:
    strange = spool_directory / "pair-strange"
    strange.mkdir(parents=True)
    assert "could not be deleted from every backend" in run("drop", strange.name, "--yes")[1]


def test_a_backend_that_does_not_answer_is_reported(location, spool_directory, monkeypatch) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(sealed_hash, "items", away)
    assert run("status")[1] == "not every backend could be read: redis StoreUnavailable"


@pytest.mark.parametrize("place", ["SPOOL_DIR", "the database's directory"])
def test_doctor_finds_a_spool_that_cannot_be_written(location, spool_directory, place) -> None:
    where = spool_directory.parent if place == "SPOOL_DIR" else spool_directory
    where.parent.mkdir(exist_ok=True)
    where.write_text("a file where the directory should be")
    (finding,) = [one for one in doctors() if one.level == Level.FAILED]
    assert "SPOOL_DIR" in finding.fix


def test_doctor_finds_a_full_disk(location, spool_directory, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError("No space left on device")

    spool_directory.mkdir(parents=True)
    monkeypatch.setattr("os.fsync", full)
    assert levels() == [(Level.FAILED, "cannot be written (OSError)")]
    assert list(spool_directory.iterdir()) == []
