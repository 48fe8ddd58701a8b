"""The database is lost between the vendor's answer and our commit: nothing the vendor gave is."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.db import (
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from integrations.core import clock
from integrations.core.errors import InstallPending, StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.gateway import client as gateway
from integrations.highlevel.oauth.grants import Grant
from integrations.installs import callback, complete
from integrations.installs import tasks as installs_tasks
from integrations.installs.callback import Callback
from integrations.quota import sealed_hash
from integrations.tenants.models import Installation
from integrations.tokens import seals, store, tasks
from integrations.tokens.database import required
from integrations.tokens.models import Credential
from integrations.tokens.refresh import commit as rescue
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.tokens.refresh.orphan_repair import repair
from integrations.tokens.spool import drain_thread, serialization, spool
from integrations.tokens.spool.backends import DISK
from integrations.tokens.spool.drain_thread import DrainThread
from tests.plugin.vendor import authorize_url, code_of, company_grant, location_grant
from tests.support.database import somebody_waits_for_a_lock
from tests.support.waiting import wait_until
from tests.tokens.rows import let_pass

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_writes(table: str, error: type[Exception] = OperationalError) -> Iterator[None]:
    """From here on the database refuses UPDATE and INSERT on a table, as one that is shutting down would."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith((f"UPDATE {table}", f'INSERT INTO "{table}"')) and "access_sealed" in sql:
            raise error("terminating connection due to administrator command")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


def entries(directory: Any) -> list[str]:
    return sorted(path.name for path in directory.glob("*")) if directory.exists() else []


def forbid(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """As a file of another user's; the user of the tests may be root."""
    real = Path.read_bytes

    def read(self: Path) -> bytes:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read)


def spoil(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"grant": "AAAA"}))


def test_a_pair_goes_to_the_spool_and_is_committed_by_the_sweep(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    [name] = entries(spool_directory)
    assert sealed_hash.items("spool").keys() == {name}
    assert Credential.objects.get(pk=location.pk).generation == location.generation

    tasks.sweep()

    row = Credential.objects.get(pk=location.pk)
    assert (row.generation, row.state, row.lease_until) == (location.generation + 1, "active", None)
    assert (entries(spool_directory), sealed_hash.items("spool")) == ([], {})
    assert AuditEntry.objects.filter(action="token.rescued").count() == 1
    assert refresh(row.pk).generation == row.generation + 1, "it is the vendor's newest pair"
    gateway.call("locations.get-location", app=row.app, location=row.resource_id)


def test_a_connection_that_was_cut_is_no_outage(location, vendor, spool_directory) -> None:
    cut: list[int] = []

    def refuse_once(execute: Any, sql: str, *rest: Any) -> Any:
        if "access_sealed" in sql and sql.startswith("UPDATE") and not cut:
            cut.append(1)
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse_once):
        assert refresh(location.pk).generation == location.generation + 1
    assert cut
    assert entries(spool_directory) == []


def test_whatever_keeps_a_pair_from_its_row_does_not_lose_it(location, vendor, spool_directory, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a mistake of ours")

    with monkeypatch.context() as during:
        during.setattr(store, "replace_token_pair", broken)
        with pytest.raises(StoreUnavailable):
            refresh(location.pk)
        tasks.sweep()
    [name] = entries(spool_directory)
    assert name.endswith(".aside")
    assert set(spool.retry().values()) == {spool.COMMITTED}
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_a_repair_commits_first_what_the_spool_holds(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    let_pass(location)
    before = vendor.state()["token_requests"]
    assert repair(Event()) == 0
    assert vendor.state()["token_requests"] == before, "a strict vendor would have called the grant dead"
    location.refresh_from_db()
    assert (location.generation, location.state) == (2, "active")


@pytest.mark.parametrize("place", ["disk", "redis"])
def test_either_backend_suffices(location, vendor, spool_directory, settings, monkeypatch, place) -> None:
    if place == "redis":
        spool_directory.parent.write_text("a file where the directory should be")
    else:

        def away(*_: Any) -> None:
            raise StoreUnavailable("Redis does not answer")

        monkeypatch.setattr(sealed_hash, "put", away)
        monkeypatch.setattr(sealed_hash, "items", away)
        monkeypatch.setattr(sealed_hash, "delete", away)
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable, match="kept"):
        refresh(location.pk)
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_with_neither_it_says_that_it_is_lost(location, vendor, spool_directory, monkeypatch) -> None:
    spool_directory.parent.write_text("a file where the directory should be")
    monkeypatch.setattr(sealed_hash, "put", lambda *_: (_ for _ in ()).throw(StoreUnavailable("away")))
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable, match="lost"):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert row.intent_generation == row.generation, "the repair of the orphan is still there"
    let_pass(row)
    tasks.repair_one(credential_id=row.pk)
    assert Credential.objects.get(pk=row.pk).generation == row.generation + 1


def test_it_waits_while_the_database_is_away(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"):
        with pytest.raises(StoreUnavailable):
            refresh(location.pk)
        assert spool.drain("pair", tasks.commit.spooled_pair) == 0
        assert len(entries(spool_directory)) == 1
    assert spool.drain("pair", tasks.commit.spooled_pair) == 1


@pytest.mark.parametrize("error", [InternalError, InterfaceError, OperationalError, ProgrammingError])
def test_whatever_the_database_says_it_waits(location, vendor, spool_directory, error) -> None:
    """InternalError is a read-only standby after a failover; ProgrammingError a migration that is under way."""
    with no_writes("tokens_credential", error):
        with pytest.raises(StoreUnavailable, match="kept"):
            refresh(location.pk)
        assert spool.drain("pair", rescue.spooled_pair) == 0
        assert len(entries(spool_directory)) == 1
        assert (len(sealed_hash.items("spool")), sealed_hash.items("spool-aside")) == (1, {})
    assert spool.drain("pair", rescue.spooled_pair) == 1
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_a_standby_that_is_read_only_is_a_database_that_is_away(location) -> None:
    with pytest.raises(StoreUnavailable), required(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on; UPDATE tokens_credential SET failures = 0")


def test_an_entry_that_waits_holds_up_no_other(location, neighbour, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"):
        for row in (location, neighbour):
            with pytest.raises(StoreUnavailable):
                refresh(row.pk)
    first = min(entries(spool_directory))

    def commit(entry: spool.SpooledGrant) -> None:
        if entry.facts == json.loads((spool_directory / first).read_text())["facts"]:
            raise ProgrammingError("a migration is under way")
        rescue.spooled_pair(entry)

    assert spool.drain("pair", commit) == 1
    assert entries(spool_directory) == [first]


def test_a_value_that_no_column_takes_is_set_aside(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    with no_writes("tokens_credential", DataError):
        tasks.sweep()
    [name] = sealed_hash.items("spool-aside")
    assert entries(spool_directory) == [f"{name}.aside"]


@pytest.mark.parametrize("kind", ["directory", "forbidden"])
def test_a_file_that_cannot_be_read_hides_no_other(
    location, neighbour, vendor, spool_directory, monkeypatch, kind
) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    for name in sealed_hash.items("spool"):
        sealed_hash.delete("spool", name)
    bad = spool_directory / "pair-aaa"
    if kind == "directory":
        bad.mkdir()
    else:
        bad.write_text("{}")
        forbid(monkeypatch, bad)
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert entries(spool_directory) == ["pair-aaa"]
    assert DISK.look().unreadable.keys() == {"pair-aaa"}


def test_a_full_disk_is_left_as_it_was(location, vendor, spool_directory, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable, match="kept"):
        refresh(location.pk)
    assert entries(spool_directory) == []
    assert len(sealed_hash.items("spool")) == 1


def test_what_a_killed_writer_left_is_committed_if_it_is_whole_and_else_removed(
    location, vendor, spool_directory
) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    [name] = entries(spool_directory)
    sealed_hash.delete("spool", name)
    whole, half, young = (spool_directory / f"{name}.{i}.part" for i in ("1", "2", "3"))
    (spool_directory / name).rename(whole)
    half.write_bytes(whole.read_bytes()[:40])
    young.write_bytes(b"{")
    for path in (whole, half):
        os.utime(path, times=(0, 0))
    drain_thread.begin()
    assert entries(spool_directory) == [young.name]
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_what_was_set_aside_is_tried_again_by_a_process_that_starts(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    with no_writes("tokens_credential", DataError):
        tasks.sweep()
    drain_thread.begin()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert (entries(spool_directory), sealed_hash.items("spool"), sealed_hash.items("spool-aside")) == ([], {}, {})


def test_a_web_server_commits_what_only_its_own_disk_holds(
    location, vendor, spool_directory, settings, monkeypatch, tmp_path
) -> None:
    """Its database and Redis were unavailable together, and the workers run on another machine."""
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    for name in sealed_hash.items("spool"):
        sealed_hash.delete("spool", name)
    here = settings.SPOOL_DIR
    settings.SPOOL_DIR = str(tmp_path / "the worker's")
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).generation == location.generation
    settings.SPOOL_DIR = here
    monkeypatch.setattr(drain_thread, "EVERY", 0.05)
    keeper = DrainThread()
    keeper.start()
    keeper.start()
    try:
        wait_until(lambda: entries(spool_directory) == [])
    finally:
        keeper.stop()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_the_drain_thread_outlives_a_round_that_fails(location, vendor, spool_directory, monkeypatch) -> None:
    rounds: list[int] = []

    def breaks() -> None:
        rounds.append(1)
        raise OperationalError("away")

    monkeypatch.setattr(drain_thread, "EVERY", 0.01)
    monkeypatch.setattr(drain_thread, "drain", breaks)
    keeper = DrainThread()
    keeper.start()
    try:
        wait_until(lambda: len(rounds) >= 3)
    finally:
        keeper.stop()


def test_a_newer_pair_is_not_overwritten(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    let_pass(location)
    newer = refresh(location.pk)
    token = seals.access_token(newer)
    assert spool.drain("pair", tasks.commit.spooled_pair) == 1
    row = Credential.objects.get(pk=location.pk)
    assert (row.generation, seals.access_token(row)) == (newer.generation, token)
    assert entries(spool_directory) == []


def test_an_uninstall_meanwhile_wins(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    store.revoke(store.location(location.app, location.resource_id), reason="UNINSTALL event", now=clock.now())
    tasks.sweep()
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.access_sealed) == ("revoked", None)


def test_in_strict_rotation_the_spool_outdoes_the_verdict_that_the_grant_is_dead(
    location, vendor, spool_directory
) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    Credential.objects.filter(pk=location.pk).update(
        state="needs_reconnect", reason="dead", lease_until=None, lease_owner=""
    )
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).state == "active"


def test_an_entry_that_cannot_be_committed_is_set_aside_and_holds_up_no_other(
    location, neighbour, vendor, spool_directory
) -> None:
    with no_writes("tokens_credential"):
        for row in (location, neighbour):
            with pytest.raises(StoreUnavailable):
                refresh(row.pk)
    damaged = min(entries(spool_directory))
    spoil(spool_directory / damaged)
    sealed_hash.put("spool", damaged, (spool_directory / damaged).read_bytes())
    tasks.sweep()
    tasks.sweep()
    assert entries(spool_directory) == [f"{damaged}.aside"]
    assert (sealed_hash.items("spool"), list(sealed_hash.items("spool-aside"))) == ({}, [damaged])
    assert sorted(Credential.objects.values_list("generation", flat=True)) == [1, 2]


def test_a_damaged_copy_does_not_cost_the_good_one(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    spoil(spool_directory / entries(spool_directory)[0])
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
    assert (entries(spool_directory), sealed_hash.items("spool"), sealed_hash.items("spool-aside")) == ([], {}, {})


def test_an_entry_is_private_and_shows_no_token(location, vendor, spool_directory, caplog) -> None:
    seen: list[Grant] = []
    keep = spool.keep
    with no_writes("tokens_credential"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            spool, "keep", lambda kind, grant, *rest, **facts: (seen.append(grant), keep(kind, grant, *rest, **facts))
        )
        with pytest.raises(StoreUnavailable):
            refresh(location.pk)
    path = spool_directory / entries(spool_directory)[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool_directory.stat().st_mode) == 0o700
    [grant] = seen
    for token in (grant.access_token, grant.refresh_token):
        assert token.reveal().encode() not in path.read_bytes() + b"".join(sealed_hash.items("spool").values())
        assert token.reveal() not in caplog.text


def test_a_grant_survives_packing(app, vendor) -> None:
    grant = location_grant(vendor, app, vendor.locations[0])
    assert serialization.unpacked(serialization.packed(grant)) == grant
    bare = Grant(Secret("a"), None, None, frozenset(), "Company", approved_locations=("x", "y"))
    assert serialization.unpacked(serialization.packed(bare)) == bare


# --- an installation ---


def brought(vendor: Any, app: Any) -> Callback:
    address = vendor.single(authorize_url(app), vendor.locations[0])
    return Callback(code=code_of(address), state=None, error=None, app=app.highlevel_id, browser="")


def test_an_installation_is_finished_after_the_outage(app, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    assert Installation.objects.count() == 0
    installs_tasks.sweep()
    row = Installation.objects.get()
    assert (row.is_installed, row.origin, row.claimed_at) == (True, "marketplace", None)
    assert entries(spool_directory) == []
    gateway.call("locations.get-location", app=app, location=row.resource_id)


def test_its_visitor_reads_that_it_is_being_finished(app, vendor, client, settings) -> None:
    address = vendor.single(authorize_url(app), vendor.locations[0])
    with no_writes("tokens_credential"):
        answer = client.get(
            "/oauth/callback", {"code": code_of(address), "app": app.highlevel_id}, HTTP_ACCEPT="text/html"
        )
    assert answer.status_code == 503
    assert "installation is still being set up" in answer.content.decode()


def test_an_uninstall_or_a_newer_install_meanwhile_wins(app, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    second = callback.handle(brought(vendor, app)).installation
    token = store.find(store.location(app, second.resource_id))
    installs_tasks.sweep()
    assert store.find(store.location(app, second.resource_id)).generation == token.generation

    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    late = clock.now() + timedelta(seconds=1)
    Installation.objects.uninstall(at=late)
    installs_tasks.sweep()
    outdated = AuditEntry.objects.filter(action="install.outdated", subject=f"Location:{second.resource_id}")
    assert outdated.count() == 2, "its grant was opened to learn its tenant"
    assert Installation.objects.get().status == "uninstalled"


def test_inside_a_transaction_the_error_is_the_callers(app, vendor, spool_directory) -> None:
    grant = location_grant(vendor, app, vendor.locations[0])
    with no_writes("tokens_credential"), pytest.raises(OperationalError), transaction.atomic():
        complete.complete_or_spool(app, grant, origin="app", claimant="", now=clock.now())
    assert entries(spool_directory) == []


@pytest.mark.parametrize("error", [InterfaceError, InternalError])
def test_whatever_the_database_says_an_installation_is_kept(app, vendor, spool_directory, error) -> None:
    with no_writes("tokens_credential", error), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    installs_tasks.sweep()
    assert Installation.objects.get().is_installed


def test_a_refresh_of_the_old_grant_does_not_outdate_an_installation_that_waits(app, vendor, spool_directory) -> None:
    an_hour_ago = clock.now() - timedelta(hours=1)
    row = complete.complete(app, company_grant(vendor, app), origin="app", claimant="", now=an_hour_ago)
    new = replace(company_grant(vendor, app), scopes=frozenset({"newly.granted"}))
    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        complete.complete_or_spool(app, new, origin="app", claimant="a browser", now=clock.now())
    token = Credential.objects.get(resource_id=row.resource_id)
    refresh(token.pk)
    installs_tasks.sweep()
    token.refresh_from_db()
    row.refresh_from_db()
    assert (token.scopes, row.claimed_by) == ("newly.granted", "a browser")


def test_of_two_who_finish_the_same_installation_one_does(app, vendor, spool_directory, monkeypatch) -> None:
    """The second would put the same pair over whatever a refresh has made of it since."""
    callback.handle(brought(vendor, app))
    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    [text] = sealed_hash.items("spool").values()
    [name] = sealed_hash.items("spool")
    here: list[str] = []
    real = complete.complete

    def meet(*args: Any, **said: Any) -> Any:
        here.append("one")
        wait_until(lambda: len(here) > 1 or somebody_waits_for_a_lock())  # both here would be the fault
        return real(*args, **said)

    def finish() -> None:
        try:
            complete.complete_spooled(spool.read(name, text))
        finally:
            connection.close()

    monkeypatch.setattr(complete, "complete", meet)
    threads = [Thread(target=finish) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert AuditEntry.objects.filter(action="install.completed").count() == 2
    assert Credential.objects.get().generation == 2
