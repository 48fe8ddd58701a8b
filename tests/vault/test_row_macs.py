"""The key of row MACs: what a MAC covers, when a row fits, and what becomes of the key."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps as models
from django.db import connection, transaction

from integrations.core import clock
from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry
from integrations.tenants.models import App
from integrations.vault import columns, forget, rotation, row_macs
from integrations.vault import keys as vault_keys
from integrations.vault.models import RowMacKey
from tests.support.signed import transition

pytestmark = pytest.mark.django_db
migration: Any = import_module("integrations.vault.migrations.0004_row_mac_key")
again: Any = import_module("integrations.vault.migrations.0005_transition_again")
ODD = {"n": [1e22, -0.0, 1e-7, 0.1, 100000.0, 7], "ä\u2028": None, "z": {"b": True, "a": "e+"}}


def test_json_is_the_same_before_it_is_stored_and_after() -> None:
    before = row_macs.content("kind", {10: "a", 9: "b", **ODD}, None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [json.dumps({10: "a", 9: "b", **ODD})])
        stored = json.loads(cursor.fetchone()[0])
    assert row_macs.content("kind", stored, None) == before == row_macs.stored_content("kind", stored, None)
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert row_macs.content(moment) == row_macs.content(moment.astimezone()) != row_macs.content(moment + timedelta(1))
    assert row_macs.content("a", "b") != row_macs.content("ab", "") != row_macs.content(["a", "b"])
    with pytest.raises(TypeError, match="no part of a MAC: object"):
        row_macs.content(object())


def test_a_mac_fits_its_content_only() -> None:
    found = row_macs.mac(b"one")
    assert row_macs.fits(memoryview(found), b"one")
    assert not row_macs.fits(found, b"another")
    assert not row_macs.fits(None, b"one")
    assert not row_macs.fits(found[:-1], b"one")
    row_macs.reset()
    assert row_macs.fits(found, b"one"), "another process reads the same key"


def test_until_the_sealed_end_of_the_transition_rows_are_taken_as_they_are() -> None:
    transition(clock.now() + timedelta(hours=1))
    assert row_macs.fits(None, b"one")
    assert row_macs.fits(b"stale", b"one")
    assert not row_macs.is_same(b"stale", row_macs.mac(b"one"))
    assert row_macs.trusted_until() is not None
    transition(clock.now() - timedelta(seconds=1))
    assert not row_macs.fits(None, b"one")
    assert row_macs.trusted_until() is None


def test_who_writes_the_key_s_row_has_nothing_taken() -> None:
    found = row_macs.mac(b"one")
    later = (clock.now() + timedelta(days=9)).isoformat()
    RowMacKey.objects.update(sealed=f"a-key-of-mine|{later}".encode())
    row_macs.reset()
    with pytest.raises(SealBroken):
        row_macs.fits(found, b"one")
    RowMacKey.objects.all().delete()
    row_macs.reset()
    assert not row_macs.fits(found, b"one")
    assert not row_macs.fits(None, b"one"), "a key that is made anew has no transition"
    assert row_macs.fits(row_macs.mac(b"one"), b"one")


def test_a_key_that_is_rolled_back_is_not_used_any_more() -> None:
    RowMacKey.objects.all().delete()
    row_macs.reset()
    with transaction.atomic():
        lost = row_macs.mac(b"one")
        assert row_macs.fits(lost, b"one")
        transaction.set_rollback(True)
    assert not row_macs.fits(lost, b"one")


def test_a_rotation_leaves_the_macs_alone_and_a_lost_key_ends_them(settings: Any) -> None:
    found = row_macs.mac(b"one")
    old = settings.VAULT_KEYS
    settings.VAULT_KEYS = ["next:" + base64.b64encode(secrets.token_bytes(32)).decode(), *old]
    rotation.rotate(vault_keys.ring(), watcher=rotation.Watcher())
    assert columns.sealed_by(RowMacKey, "next").count() == 1
    row_macs.reset()
    assert row_macs.fits(found, b"one")
    settings.VAULT_KEYS = old
    assert forget.run("next", actor="test").ends["vault.RowMacKey"] == {"rows must be signed again": 1}
    assert AuditEntry.objects.get(action="vault.row_mac_key_lost").subject == "key:next"
    assert not row_macs.fits(found, b"one")


def test_the_migration_begins_a_transition_where_there_are_apps() -> None:
    for is_upgrade in (False, True):
        RowMacKey.objects.all().delete()
        if is_upgrade:
            App.objects.create(name="an app", client_id="c-1", client_secret_sealed=b"-", created_at=clock.now())
        with connection.schema_editor(atomic=False) as editor:
            migration.make_key(models, editor)
        row_macs.reset()
        until = row_macs.trusted_until()
        assert (until is not None) == is_upgrade
        assert row_macs.fits(row_macs.mac(b"one"), b"one")
    assert until is not None
    assert timedelta(hours=23) < until - clock.now() <= timedelta(days=1)


def test_another_migration_begins_the_transition_again_under_the_same_key() -> None:
    found = row_macs.mac(b"one")
    with connection.schema_editor(atomic=False) as editor:
        again.begin_again(models, editor)
    row_macs.reset()
    assert row_macs.trusted_until() is None, "a database without apps has none"
    App.objects.create(name="an app", client_id="c-1", client_secret_sealed=b"-", created_at=clock.now())
    with connection.schema_editor(atomic=False) as editor:
        again.begin_again(models, editor)
    row_macs.reset()
    until = row_macs.trusted_until()
    assert until is not None
    assert timedelta(hours=23) < until - clock.now() <= timedelta(days=1)
    assert row_macs.is_same(found, row_macs.mac(b"one"))
    RowMacKey.objects.update(sealed=bytes(RowMacKey.objects.get().sealed)[:-1] + b"?")
    with connection.schema_editor(atomic=False) as editor, pytest.raises(RuntimeError, match="does not open"):
        again.begin_again(models, editor)
