"""Spool entries count like rows: a key that one of them needs is not called unneeded, and rotation re-seals them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import SealBroken, StoreUnavailable
from integrations.quota import sealed_hash
from integrations.tokens import seals
from integrations.tokens.models import Credential
from integrations.tokens.refresh import commit
from integrations.tokens.spool import spool
from integrations.vault import key_checks, rotation
from integrations.vault import status as vault_status
from integrations.vault.seal import Binding
from tests.vault.conftest import grant, make_rows
from tests.vault.test_command import roles, status, vault

LABEL = "tokens.spool"


def put_in_spool(row: Credential, text: str) -> str:
    """As a refresh does whose commit failed; the entry's name."""
    before = sealed_hash.items("spool").keys()
    commit._spool(row, grant(text), clock.now())
    [name] = sealed_hash.items("spool").keys() - before
    return name


def held(found: dict[str, Any], key_id: str) -> int:
    return next(key["columns"].get(LABEL, 0) for key in found["keys"] if key["key_id"] == key_id)


def test_an_entry_on_disk_and_in_redis_counts_once(app, ring) -> None:
    put_in_spool(make_rows(app, 1)[0], "newer")
    found, complaint = status()
    assert (held(found, "k1"), complaint) == (1, "")
    assert "tokens" in vault("status")[0].splitlines()[0]
    assert "spool" in vault("status")[0].splitlines()[1]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["disk", "redis", "disk, aside", "redis, aside"])
def test_a_key_that_only_an_entry_needs_may_not_be_retired(app, ring, spool_directory, place) -> None:
    name = put_in_spool(make_rows(app, 1)[0], "newer")
    if "aside" in place:
        spool._everywhere(lambda there: there.set_aside(name))
    if "disk" in place:
        sealed_hash.delete("spool", name)
        sealed_hash.delete("spool-aside", name)
    else:
        for path in spool_directory.iterdir():
            path.unlink()
    Credential.objects.all().delete()
    app.delete()
    ring("k2", "k1")
    found, _ = status()
    assert (held(found, "k1"), found["stale"], found["retirable"]) == (1, 1, []), found["keys"]
    assert roles(found) == {"k2": "seals", "k1": "opens"}
    ring("k2")
    assert "the key 'k1' is missing and seals 1 values" in status()[1]
    assert "manage.py vault forget k1" in status()[1]
    with pytest.raises(SealBroken, match=r"'k1' \(1 values\).*vault forget"):
        key_checks.at_start()


def test_rotation_reseals_both_copies_and_the_entry_still_commits(app, ring, spool_directory) -> None:
    row = make_rows(app, 1)[0]
    name = put_in_spool(row, "newer")
    ring("k2", "k1")
    assert "5 values re-sealed under 'k2', 0 left" in vault("rotate")[0]
    found, complaint = status()
    assert (held(found, "k2"), found["retirable"], complaint) == (1, ["k1"], "")
    assert "another machine's disk" in vault("status")[0]
    assert (spool_directory / name).read_bytes() == sealed_hash.items("spool")[name]
    assert [path.name for path in spool_directory.iterdir()] == [name]
    ring("k2")
    assert spool.drain(commit.KIND, commit.spooled_pair) == 1
    row = Credential.objects.get(pk=row.pk)
    assert (row.generation, seals.access_token(row).reveal()) == (2, "access-newer")


def test_what_is_committed_while_it_is_resealed_changes_nothing(app, ring, monkeypatch) -> None:
    row = make_rows(app, 1)[0]
    put_in_spool(row, "newer")
    ring("k2", "k1")
    resealed = rotation.resealed

    def committed_meanwhile(keys: Any, blob: bytes, binding: Binding) -> bytes:
        new = resealed(keys, blob, binding)
        if binding.field == "spooled":
            spool.drain(commit.KIND, commit.spooled_pair)
        return new

    monkeypatch.setattr(rotation, "resealed", committed_meanwhile)
    vault("rotate")
    row = Credential.objects.get(pk=row.pk)
    assert (row.generation, seals.access_token(row).reveal()) == (2, "access-newer")
    assert sealed_hash.items("spool") == {}
    assert status()[0]["retirable"] == ["k1"]


def test_a_damaged_entry_is_named(app, ring, spool_directory: Path) -> None:
    name = put_in_spool(make_rows(app, 1)[0], "newer")
    (spool_directory / name).write_text("{")
    sealed_hash.put("spool", name, json.dumps({"grant": "AAAA"}).encode())
    ring("k2", "k1")
    out, complaint = vault("rotate")
    assert f"tokens.spool of row {name} (unreadable): it cannot be read" in out
    assert complaint == "1 values cannot be decrypted and were left as they are"
    assert "1 values are damaged: tokens.spool" in status()[1]


@pytest.mark.parametrize("away", ["redis", "disk"])
def test_while_a_store_cannot_be_read_no_key_is_called_unused(app, ring, monkeypatch, spool_directory, away) -> None:
    make_rows(app, 1)
    if away == "redis":

        def no_answer(*_: Any) -> None:
            raise StoreUnavailable("Redis does not answer")

        monkeypatch.setattr(sealed_hash, "items", no_answer)
    else:
        spool_directory.parent.mkdir()
        spool_directory.write_text("a file where the directory should be")
    ring("k2", "k1")
    out, complaint = vault("rotate")
    assert "4 values re-sealed" in out
    assert f"not everything could be reached: tokens.spool: the spool's {away}" in complaint
    found = vault_status.examine()
    assert (found.retirable, {key.key_id: key.role for key in found.keys}["k1"]) == ([], "opens")
    assert any("cannot be counted, so no key may be retired" in problem for problem in found.problems)
    key_checks.at_start()  # Redis may be unavailable when a process starts
