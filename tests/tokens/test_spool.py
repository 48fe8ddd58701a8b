"""The database is lost between the vendor's answer and our commit: nothing the vendor gave is."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from integrations.core import clock
from integrations.core.errors import InstallPending, StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.gateway import client as gateway
from integrations.highlevel.grants import Grant
from integrations.installs import callback, complete
from integrations.installs import tasks as installs_tasks
from integrations.installs.callback import Callback
from integrations.quota import shelf
from integrations.tenants.models import Installation
from integrations.tokens import parcel, spool, store, tasks
from integrations.tokens.models import Credential
from integrations.tokens.refresh import refresh
from tests.plugin.vendor import authorize_url, code_of, location_grant
from tests.tokens.rows import let_pass

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_writes(table: str) -> Iterator[None]:
    """From here on the database refuses UPDATE and INSERT on a table, as one that is shutting down would."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith((f"UPDATE {table}", f'INSERT INTO "{table}"')) and "access_sealed" in sql:
            raise OperationalError("terminating connection due to administrator command")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


def entries(directory: Any) -> list[str]:
    return sorted(path.name for path in directory.glob("*")) if directory.exists() else []


def test_a_pair_goes_to_the_spool_and_is_committed_by_the_sweep(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    [name] = entries(spool_directory)
    assert shelf.items("spool").keys() == {name}
    assert Credential.objects.get(pk=location.pk).generation == location.generation

    tasks.sweep()

    row = Credential.objects.get(pk=location.pk)
    assert (row.generation, row.state, row.lease_until) == (location.generation + 1, "active", None)
    assert (entries(spool_directory), shelf.items("spool")) == ([], {})
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


@pytest.mark.parametrize("place", ["disk", "redis"])
def test_either_place_suffices(location, vendor, spool_directory, settings, monkeypatch, place) -> None:
    if place == "redis":
        spool_directory.parent.write_text("a file where the directory should be")
    else:

        def away(*_: Any) -> None:
            raise StoreUnavailable("Redis does not answer")

        monkeypatch.setattr(shelf, "put", away)
        monkeypatch.setattr(shelf, "items", away)
        monkeypatch.setattr(shelf, "take_away", away)
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable, match="kept"):
        refresh(location.pk)
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_with_neither_it_says_that_it_is_lost(location, vendor, spool_directory, monkeypatch) -> None:
    spool_directory.parent.write_text("a file where the directory should be")
    monkeypatch.setattr(shelf, "put", lambda *_: (_ for _ in ()).throw(StoreUnavailable("away")))
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
        assert spool.drain("pair", tasks.rescue.commit) == 0
        assert len(entries(spool_directory)) == 1
    assert spool.drain("pair", tasks.rescue.commit) == 1


def test_a_newer_pair_is_not_overwritten(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    let_pass(location)
    newer = refresh(location.pk)
    token = store.access_token(newer)
    assert spool.drain("pair", tasks.rescue.commit) == 1
    row = Credential.objects.get(pk=location.pk)
    assert (row.generation, store.access_token(row)) == (newer.generation, token)
    assert entries(spool_directory) == []


def test_an_uninstall_meanwhile_wins(location, vendor, spool_directory) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    store.wipe(store.location(location.app, location.resource_id), reason="UNINSTALL event", now=clock.now())
    tasks.sweep()
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.access_sealed) == ("revoked", None)


def test_in_strict_rotation_the_spool_outdoes_the_verdict_that_the_grant_is_dead(
    location, vendor, spool_directory
) -> None:
    with no_writes("tokens_credential"), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    Credential.objects.filter(pk=location.pk).update(state="needs_reconnect", reason="dead", lease_until=None)
    tasks.sweep()
    assert Credential.objects.get(pk=location.pk).state == "active"


def test_what_cannot_be_committed_is_set_aside_and_holds_up_nobody(
    location, neighbour, vendor, spool_directory
) -> None:
    with no_writes("tokens_credential"):
        for row in (location, neighbour):
            with pytest.raises(StoreUnavailable):
                refresh(row.pk)
    damaged = min(entries(spool_directory))
    text = json.loads((spool_directory / damaged).read_text())
    (spool_directory / damaged).write_text(json.dumps(text | {"grant": "AAAA"}))
    tasks.sweep()
    tasks.sweep()
    assert entries(spool_directory) == [f"{damaged}.aside"]
    assert sorted(Credential.objects.values_list("generation", flat=True)) == [1, 2]


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
        assert token.reveal().encode() not in path.read_bytes() + b"".join(shelf.items("spool").values())
        assert token.reveal() not in caplog.text


def test_a_grant_survives_packing(app, vendor) -> None:
    grant = location_grant(vendor, app, vendor.locations[0])
    assert parcel.unpacked(parcel.packed(grant)) == grant
    bare = Grant(Secret("a"), None, None, frozenset(), "Company", approved_locations=("x", "y"))
    assert parcel.unpacked(parcel.packed(bare)) == bare


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
    second = callback.handle(brought(vendor, app))
    token = store.find(store.location(app, second.resource_id))
    installs_tasks.sweep()
    assert store.find(store.location(app, second.resource_id)).generation == token.generation

    with no_writes("tokens_credential"), pytest.raises(InstallPending):
        callback.handle(brought(vendor, app))
    late = clock.now() + timedelta(seconds=1)
    Installation.objects.update(status="uninstalled", status_at=late)
    installs_tasks.sweep()
    assert Installation.objects.get().status == "uninstalled"


def test_inside_a_transaction_the_error_is_the_callers(app, vendor, spool_directory) -> None:
    grant = location_grant(vendor, app, vendor.locations[0])
    with no_writes("tokens_credential"), pytest.raises(OperationalError), transaction.atomic():
        complete.complete_or_keep(app, grant, origin="app", claimant="", now=clock.now())
    assert entries(spool_directory) == []
