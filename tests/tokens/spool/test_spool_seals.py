"""An entry of the spool opens under its own name, with its own time and facts, once, and not before its time.

Each test plays somebody who can write to Redis and to the spool's directory, and has no key of the vault.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from integrations.core import clock
from integrations.core.errors import InstallPending, StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.installs import complete
from integrations.quota import sealed_hash
from integrations.quota.permits import scripts
from integrations.tenants.models import App, Installation
from integrations.tokens import seals
from integrations.tokens.models import Credential, SpentName
from integrations.tokens.refresh import commit
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.tokens.spool import inspection, serialization, spool, tenant_entries
from integrations.tokens.spool.vault_adapter import Spool
from integrations.vault import keys
from integrations.vault.seal import resealed, seal
from tests.plugin.vendor import Vendor, company_grant

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def outage() -> Iterator[None]:
    """From here on the database takes no tokens."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if "access_sealed" in sql and sql.startswith(("UPDATE", "INSERT")):
            raise OperationalError("terminating connection due to administrator command")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


def drain() -> None:
    spool.drain(commit.KIND, commit.spooled_pair)
    spool.drain(complete.KIND, complete.complete_spooled)


@pytest.fixture
def pair(location: Credential, spool_directory: Path) -> str:
    """The name of a spooled pair of `location`."""
    with outage(), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    [name] = sealed_hash.items("spool")
    return name


@pytest.fixture
def install(app: App, vendor: Vendor, spool_directory: Path) -> str:
    """The name of a spooled installation."""
    grant = company_grant(vendor, app)
    with outage(), pytest.raises(InstallPending):
        complete.complete_or_spool(app, grant, origin="marketplace", claimant="", now=clock.now())
    [name] = sealed_hash.items("spool")
    return name


def forge(name: str, directory: Path, **changed: Any) -> None:
    """Change an entry in Redis and on the disk."""
    entry = json.loads(sealed_hash.items("spool")[name])
    entry["at"] = changed.pop("at", entry["at"])
    entry["facts"] |= changed
    put(name, json.dumps(entry).encode(), directory)


def put(name: str, text: bytes, directory: Path) -> None:
    sealed_hash.put("spool", name, text)
    (directory / name).write_bytes(text)


FORGERIES: list[dict[str, Any]] = [
    {"claimant": "operator mallory"},
    {"origin": "app"},
    {"at": "2020-01-01T00:00:00+00:00"},
    {"at": "2099-01-01T00:00:00+00:00"},
    {"extra": 1},
]


@pytest.mark.parametrize("forged", FORGERIES, ids=str)
def test_an_installation_with_other_facts_is_not_completed(
    install: str, spool_directory: Path, forged: dict[str, Any]
) -> None:
    forge(install, spool_directory, **forged)
    drain()
    assert Installation.objects.count() == 0
    assert sealed_hash.items("spool-aside").keys() == {install}, "set aside, and not lost"


@pytest.mark.parametrize("at", ["2020-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"])
def test_a_pair_with_another_time_is_not_committed(
    pair: str, location: Credential, spool_directory: Path, at: str
) -> None:
    forge(pair, spool_directory, at=at)
    drain()
    assert Credential.objects.get(pk=location.pk).generation == location.generation


def test_an_entry_under_another_name_is_not_committed(install: str, spool_directory: Path) -> None:
    text = sealed_hash.items("spool")[install]
    spool.remove(install)
    put("install-0123456789abcdef", text, spool_directory)
    drain()
    assert Installation.objects.count() == 0


@pytest.fixture
def earlier_pair(pair: str, location: Credential, spool_directory: Path) -> str:
    """The spooled pair as earlier releases wrote it: no version and no address, and only the owner is bound."""
    text = sealed_hash.items("spool")[pair]
    binding = replace(seals.binding(location, seals.SPOOLED, location.generation + 1), address="")
    entry = json.loads(text)
    assert entry.pop("version") == 2
    grant = serialization.packed(spool.read(pair, text).grant(location.app, commit._binding(location)))
    entry["grant"] = base64.b64encode(seal(grant, binding)).decode()
    put(pair, json.dumps(entry).encode(), spool_directory)
    return pair


def test_an_entry_of_an_earlier_release_is_resealed_and_committed(earlier_pair: str, location: Credential) -> None:
    store, ring = Spool(), keys.ring()
    for value in list(store.values()):
        assert value.binding is not None
        assert store.swap(value, resealed(ring, value.blob, value.binding))
    drain()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert sealed_hash.items("spool") == sealed_hash.items("spool-aside") == {}
    assert SpentName.objects.get().name == earlier_pair


@pytest.mark.parametrize("version", [1, 3])
def test_a_changed_version_opens_nothing(pair: str, location: Credential, spool_directory: Path, version: int) -> None:
    entry = json.loads(sealed_hash.items("spool")[pair]) | {"version": version, "at": "2020-01-01T00:00:00+00:00"}
    put(pair, json.dumps(entry).encode(), spool_directory)
    drain()
    assert Credential.objects.get(pk=location.pk).generation == location.generation


def test_an_entry_is_committed_once_whatever_happens_to_the_rows(install: str, spool_directory: Path) -> None:
    text = sealed_hash.items("spool")[install]
    drain()
    assert Installation.objects.count() == 1
    assert SpentName.objects.get().name == install
    # The rows are gone, as after a purge, so nothing else says that this grant is old.
    Credential.objects.all().delete()
    Installation.objects.all().delete()
    put(install, text, spool_directory)
    drain()
    assert (Installation.objects.count(), Credential.objects.count()) == (0, 0)
    assert sealed_hash.items("spool") == {}
    assert AuditEntry.objects.filter(action="install.completed").count() == 1


def test_a_failed_commit_does_not_use_the_name_up(install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with outage():
        drain()
    assert SpentName.objects.count() == 0
    drain()
    assert Installation.objects.count() == 1


def test_an_entry_from_the_future_is_refused_and_reported(
    app: App, vendor: Vendor, spool_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine with a wrong clock wrote it: the seal is right, and the time is not."""
    grant, ahead = company_grant(vendor, app), clock.now() + spool.AHEAD + timedelta(minutes=1)
    with outage(), pytest.raises(InstallPending):
        complete.complete_or_spool(app, grant, origin="marketplace", claimant="", now=ahead)
    drain()
    assert Installation.objects.count() == 0
    assert len(sealed_hash.items("spool-aside")) == 1
    assert "is from the future" in caplog.text


def test_a_changed_address_does_not_get_the_spooled_pair(pair: str, location: Credential) -> None:
    App.objects.update(api_url="http://127.0.0.1:9")
    drain()
    assert Credential.objects.get(pk=location.pk).generation == location.generation
    assert sealed_hash.items("spool-aside").keys() == {pair}


def test_a_name_that_is_chosen_in_redis_is_no_file_of_ours(
    pair: str, location: Credential, spool_directory: Path
) -> None:
    """Each name is used in every backend: an entry of a tenant that is purged, or one that is set aside."""
    victim, text = spool_directory.parent / "audit-heads.jsonl", sealed_hash.items("spool")[pair]
    victim.write_text("kept")
    (spool_directory / "pair-folder").mkdir()
    for name in (str(victim), f"../{victim.name}", f"pair-folder/../../{victim.name}", "pair-\0", "."):
        sealed_hash.put("spool", name, text)
    drain()
    assert victim.read_text() == "kept"
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert tenant_entries.remove([location.tenant]) >= 3
    assert victim.read_text() == "kept"
    assert sealed_hash.items("spool") == sealed_hash.items("spool-aside") == {}


ODD_TEXTS = {
    "deep": b"[" * 200_000,
    "a list": b"[1]",
    "endless": b'{"bound": {"owner": ["a"], "field": "f", "generation": Infinity}}',
    "no zone": b'{"at": "2026-01-01T00:00:00", "grant": "", "facts": {}}',
    "no text": b'{"bound": {"owner": ["\\ud800", "\\u0000"], "field": "f", "generation": 1}}',
}


def test_what_somebody_puts_into_redis_hides_no_entry(pair: str, location: Credential) -> None:
    good = json.loads(sealed_hash.items("spool")[pair])
    for number, text in enumerate(ODD_TEXTS.values()):
        sealed_hash.put("spool", f"install-{number}", text)
        with suppress(ValueError, RecursionError, TypeError):  # once more, with all else as it should be
            sealed_hash.put("spool", f"pair-0{number}", json.dumps(good | json.loads(text)).encode())
    scripts.client().hset(sealed_hash.key("spool"), b"\xff\xfe", b"{}")
    assert pair in [entry.name for entry in inspection.look().entries if entry.facts.get("credential")]
    assert pair in tenant_entries.names([location.tenant])
    assert pair in {value.name for value in Spool().values() if value.binding is not None}
    drain()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert pair not in sealed_hash.items("spool")
