"""`manage.py vault forget`: a key is lost for good, and its values are deleted so that processes can start."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from integrations.core import audit, clock
from integrations.core.errors import ClientRejected, GrantRevoked
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.highlevel.oauth.grants import Grant
from integrations.quota import sealed_hash
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import lost_key, seals, store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh import commit
from integrations.tokens.spool import spool
from integrations.vault import forget, key_checks, rotation
from tests.vault.conftest import entry, grant, make_app, make_rows, spawn, tokens
from tests.vault.test_command import status, vault
from tests.vault.test_spool_keys import put_in_spool

State = Credential.State


def ends(*argv: str) -> dict[str, dict[str, int]]:
    out, complaint = vault("forget", *argv, "--yes", "--json")
    assert complaint == "", complaint
    return json.loads(out)["ends"]


def company_of(app: App, name: str = "agency") -> Credential:
    pair = Grant(Secret("access-agency"), Secret("refresh-agency"), 86_399, frozenset(), "Company", company_id=name)
    return store.save_grant(store.company(app, name), pair, now=clock.now())


def minted(app: App, name: str, company: str = "agency") -> Credential:
    row = store.save_grant(store.location(app, name), grant(name), now=clock.now())
    Credential.objects.filter(pk=row.pk).update(company_id=company)
    return row


def again(row: Credential) -> Credential:
    return Credential.objects.get(pk=row.pk)


def actions() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "subject"))


def test_a_lost_key_takes_its_credentials_to_reconnect_and_says_why(app, ring) -> None:
    rows = make_rows(app, 3)
    ring("k2")
    survivor = store.save_grant(store.location(app, "sealed-by-k2"), grant("k2"), now=clock.now())
    assert ends("k1") == {
        "tenants.App": {"halted": 1},
        "tokens.Credential": {lost_key.RECONNECT: 3},
    }
    for row in map(again, rows):
        assert (row.state, row.access_sealed, row.refresh_sealed) == (State.NEEDS_RECONNECT, None, None)
        assert row.reason == "it was sealed by the key 'k1', which is lost: install the app again"
        assert (row.refresh_due_at, row.last_error_code) == (None, "seal_broken")
        with pytest.raises(GrantRevoked, match="'k1', which is lost"):
            access_token.get(store.location(app, row.resource_id), lane=Lane.BULK)
    assert tokens(survivor) == ("access-k2", "refresh-k2")
    found, complaint = status()
    assert (found["missing"], complaint) == ([], "")
    assert actions() == [
        ("vault.forget_started", "key:k1"),
        ("app.key_lost", f"app:{app.highlevel_id}"),
        *(("token.key_lost", f"Location:loc{n}") for n in range(3)),
        ("vault.forget_finished", "key:k1"),
    ]
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}
    assert audit.verify() is None


@pytest.mark.slow
def test_is_idempotent(app, ring) -> None:
    make_rows(app, 2)
    ring("k2")
    ends("k1")
    before = actions()
    assert ends("k1") == {}
    assert vault("forget", "k1", "--yes") == ("nothing is sealed by the key 'k1'.\n", "")
    assert actions() == before


def test_what_its_company_can_mint_is_due_at_once(app, ring) -> None:
    lost, later = minted(app, "lost"), minted(app, "suspended")
    Credential.objects.filter(pk=later.pk).update(state=State.SUSPENDED, refresh_due_at=None)
    orphan = minted(app, "orphan", company="gone")
    ring("k2")
    company_of(app)
    app.refresh_from_db()
    marketplace.set_secrets(app, client_secret=Secret("new"), shared_secret=None)
    app.save()
    assert ends("k1") == {"tokens.Credential": {lost_key.MINTED: 2, lost_key.RECONNECT: 1}}
    lost, later, orphan = again(lost), again(later), again(orphan)
    assert (lost.state, lost.refresh_sealed, lost.generation) == (State.ACTIVE, None, 1)
    assert tasks.claim_due(100, clock.now()) == [lost.pk]
    assert (later.state, later.refresh_due_at, orphan.state) == (State.SUSPENDED, None, State.NEEDS_RECONNECT)
    ends_by_subject = dict(AuditEntry.objects.filter(action="token.key_lost").values_list("subject", "detail__then"))
    assert ends_by_subject == {
        "Location:lost": lost_key.MINTED,
        "Location:suspended": lost_key.MINTED,
        "Location:orphan": lost_key.RECONNECT,
    }


def test_a_company_that_is_lost_too_mints_nothing_until_it_comes_back(app, ring) -> None:
    row, company = minted(app, "loc"), company_of(app)
    ring("k2")
    assert ends("k1")["tokens.Credential"] == {lost_key.RECONNECT: 2}
    assert again(company).state == State.NEEDS_RECONNECT
    company_of(app)
    assert list(tasks.longest_due(clock.now())) == [row]


def test_a_lost_access_token_is_refreshed_by_the_one_that_is_not(app, ring) -> None:
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    assert store.replace_token_pair(again(row), grant("new"), now=clock.now())
    ring("k1")
    old = store.save_grant(store.location(app, "other"), grant("other"), now=clock.now())
    Credential.objects.filter(pk=row.pk).update(access_sealed=again(old).access_sealed)
    ring("k2")
    assert ends("k1")["tokens.Credential"] == {lost_key.REFRESHED: 1, lost_key.RECONNECT: 1}
    row = again(row)
    assert (row.state, row.access_sealed, row.generation) == (State.ACTIVE, None, 2)
    assert seals.refresh_token(row).reveal() == "refresh-new"
    assert list(tasks.longest_due(clock.now())) == [row]


def test_a_token_that_was_entered_has_to_be_entered_again(app, ring) -> None:
    row = store.save_entered_token(store.location(app, "private"), Secret("pit-x"), kind="private", now=clock.now())
    ring("k2")
    ends("k1")
    assert again(row).reason == "it was sealed by the key 'k1', which is lost: enter it again"


def test_an_older_reason_stays(app, ring) -> None:
    row = make_rows(app, 1)[0]
    Credential.objects.update(state=State.NEEDS_RECONNECT, reason="the vendor said so")
    ring("k2")
    ends("k1")
    assert (again(row).reason, again(row).access_sealed) == ("the vendor said so", None)


def test_an_app_without_its_secret_is_halted_and_sends_nothing(app, ring) -> None:
    ring("k2")
    ends("k1")
    app.refresh_from_db()
    assert (app.client_secret_sealed, app.shared_secret_sealed) == (None, None)
    assert "sealed by the key 'k1', which is lost: enter it on the app's admin page" in app.halted_reason
    assert app.halted_at is not None
    with pytest.raises(ClientRejected, match="is not stored"):
        marketplace.identity(app)
    assert marketplace.shared_secret(app) is None


def test_the_shared_secret_alone_halts_nothing(app, ring) -> None:
    old = bytes(app.shared_secret_sealed)
    ring("k2", "k1")
    marketplace.set_secrets(app, client_secret=Secret("new"), shared_secret=None)
    app.shared_secret_sealed = old
    app.save()
    ring("k2")
    assert ends("k1") == {"tenants.App": {"without page SSO": 1}}
    app.refresh_from_db()
    assert (app.halted_at, app.shared_secret_sealed) == (None, None)
    assert marketplace.identity(app).client_secret == Secret("new")


def test_the_app_of_the_settings_gets_its_secret_back_at_the_next_start(ring, db, settings) -> None:
    app = marketplace.default()
    ring("k2")
    ends("k1")
    app.refresh_from_db()
    assert app.halted_at is not None
    marketplace.reset()  # as in a new process
    app = marketplace.default()
    assert (app.halted_at, app.halted_reason) == (None, "")
    assert marketplace.identity(app).client_secret == Secret(settings.HIGHLEVEL_CLIENT_SECRET)


def test_spool_entries_go_wherever_they_are(app, ring, spool_directory) -> None:
    first, second = make_rows(app, 2)
    put_in_spool(first, "one")
    aside = put_in_spool(second, "two")
    spool._everywhere(lambda place: place.set_aside(aside))
    ring("k2")
    kept = store.save_grant(store.location(app, "kept"), grant("kept"), now=clock.now())
    name = put_in_spool(kept, "newer")
    assert ends("k1")["tokens.spool"] == {"removed": 2}
    assert [path.name for path in spool_directory.iterdir()] == [name]
    assert (list(sealed_hash.items("spool")), sealed_hash.items("spool-aside")) == ([name], {})
    assert AuditEntry.objects.filter(action="spool.key_lost", detail__entry=aside).count() == 1


def test_a_pair_in_the_spool_under_a_key_that_is_here_saves_its_credential(app, ring) -> None:
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    put_in_spool(row, "newer")
    ring("k2")
    ends("k1")
    assert again(row).state == State.NEEDS_RECONNECT
    spool.drain(commit.KIND, commit.spooled_pair)
    assert (again(row).state, tokens(row)) == (State.ACTIVE, ("access-newer", "refresh-newer"))


@pytest.mark.parametrize("key_id", ["k1", "k2"])
def test_a_key_that_is_here_is_left_alone(app, ring, key_id) -> None:
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    out, complaint = vault("forget", key_id, "--yes")
    assert (out, actions()) == ("", [])
    assert f"the key {key_id!r} is in VAULT_KEYS: use `manage.py vault rotate`" in complaint
    assert tokens(row) == ("access-loc0", "refresh-loc0")


def test_another_key_under_its_id_has_to_go_first(app, ring) -> None:
    make_rows(app, 1)
    ring("k2", entry("k1", salt="other"))
    assert "take it out first" in vault("forget", "k1", "--yes")[1]


@pytest.mark.parametrize("key_id", ["", "k 1", "k" * 33])
def test_only_key_ids_are_taken(app, ring, key_id) -> None:
    Credential.objects.filter(pk=make_rows(app, 1)[0].pk).update(access_sealed=b"?")
    assert "is not the id of a key" in vault("forget", key_id, "--yes")[1]


@pytest.mark.parametrize(("typed", "given_up"), [("k1\n", True), ("yes\n", False), ("", False)])
def test_it_asks_for_the_key_id(app, ring, monkeypatch, typed, given_up) -> None:
    row = make_rows(app, 1)[0]
    ring("k2")
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    out, err = io.StringIO(), io.StringIO()
    if given_up:
        call_command("vault", "forget", "k1", "--json", stdout=out, stderr=err)
        assert json.loads(out.getvalue())["key_id"] == "k1"
    else:
        with pytest.raises(CommandError, match="nothing was changed"):
            call_command("vault", "forget", "k1", stdout=out, stderr=err)
    assert "1 in tokens.Credential.access_sealed" in err.getvalue()
    assert (again(row).state == State.NEEDS_RECONNECT) is given_up


def test_batches_are_all_done(app, ring, monkeypatch) -> None:
    monkeypatch.setattr(lost_key, "_BATCH", 2)
    make_rows(app, 5)
    ring("k2")
    assert ends("k1")["tokens.Credential"] == {lost_key.RECONNECT: 5}


def test_it_may_be_stopped_between_batches_and_goes_on(app, ring, monkeypatch) -> None:
    monkeypatch.setattr(lost_key, "_BATCH", 2)
    make_rows(app, 5)
    ring("k2")
    done: list[int] = []
    outcome = forget.run("k1", actor="x", watcher=rotation.Watcher(done.append, lambda: len(done) == 2))
    assert (outcome.stopped, sum(done), outcome.left) == (True, 3, 6)
    assert ends("k1")["tokens.Credential"] == {lost_key.RECONNECT: 3}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_transaction_writes_is_left_to_the_next_run(ring, monkeypatch) -> None:
    rows = make_rows(make_app(), 3)
    ring("k2")
    monkeypatch.setattr(forget, "_MOST_IDLE_PASSES", 1)
    held = connection.copy()
    try:
        with transaction.atomic(), held.cursor() as cursor:
            held.set_autocommit(False)
            cursor.execute("SELECT FROM tokens_credential WHERE id = %s FOR UPDATE", [rows[1].pk])
            out, complaint = vault("forget", "k1", "--yes")
        assert "2 needs reconnect" in out
        assert "2 values are left, because other transactions were writing their rows: run it again" in complaint
        held.rollback()
    finally:
        held.close()
    assert ends("k1") == {"tokens.Credential": {lost_key.RECONNECT: 1}}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_nothing_starts_before_it_and_everything_after(ring, spool_directory) -> None:
    make_rows(make_app(), 2)
    lost = ring("k2")
    up = ("-c", "import hlapp.wsgi; print('up')")
    with spawn(*up, ring=lost) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "vault forget KEY_ID" in err
    with spawn("manage.py", "vault", "forget", "k1", "--yes", ring=lost) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "2 needs reconnect" in out) == (0, True), err
    with spawn(*up, ring=lost) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, "up"), err
    key_checks.at_start()
