"""A key under an id that another key had before is found out before anything is sealed or opened with it."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from integrations.core import audit
from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.tokens import seals, store
from integrations.tokens.models import Credential
from integrations.vault import key_checks, keys
from integrations.vault.models import KeyCheckValue
from integrations.vault.seal import Binding, seal
from tests.vault.conftest import entry, grant, make_app, make_rows

HERE = Binding(owner=("test",), field="text", generation=1)
OTHER = entry("k1", salt="other")


def test_the_first_use_stores_a_check_value_for_each_key(ring, db) -> None:
    ring("k2", "k1")
    seal(Secret("text"), HERE)
    assert set(KeyCheckValue.objects.values_list("key_id", flat=True)) == {"k1", "k2"}


def test_another_key_under_the_same_id_is_named_and_seals_nothing(app, ring) -> None:
    ring(OTHER)
    with pytest.raises(SealBroken, match="another key under the id 'k1'") as caught:
        seal(Secret("text"), HERE)
    assert OTHER.partition(":")[2] not in str(caught.value)
    ring("k1")
    assert seals.access_token(make_rows(app, 1)[0]).reveal() == "access-loc0"


def test_a_wrong_key_is_named_when_it_seals_too(app, ring) -> None:
    ring("k2", "k1")
    keys.ring()
    ring(entry("k2", salt="other"), "k1")
    with pytest.raises(SealBroken, match="'k2'"):
        keys.ring()


def test_a_wrong_key_is_not_proven_by_asking_twice(app, ring) -> None:
    ring(OTHER)
    for _ in range(2):
        with pytest.raises(SealBroken):
            keys.ring()


def test_stored_values_check_a_key_without_a_check_row(app, ring, caplog) -> None:
    make_rows(app, 2)
    KeyCheckValue.objects.all().delete()
    ring(OTHER)
    with pytest.raises(SealBroken, match="'k1'"):
        keys.ring()
    assert not KeyCheckValue.objects.exists()
    ring("k1")
    key_checks.prove(keys.unproven())
    assert KeyCheckValue.objects.count() == 1
    proofs = AuditEntry.objects.filter(action="vault.key_proven", subject="key:k1").order_by("id")
    assert [entry.detail for entry in proofs] == [{"tried": 6, "opened": 6}]
    assert "vault.key_examined" in caplog.text, "a wrong ring cannot seal an entry, so the log has it"
    assert audit.verify() is None


def test_a_key_that_has_its_check_value_opens_no_token_to_be_proven(app, ring) -> None:
    make_rows(app, 1)
    ring("k1")
    keys.ring()
    assert not AuditEntry.objects.exists()


def test_one_damaged_value_does_not_make_the_key_wrong_the_key(app, ring) -> None:
    row = make_rows(app, 2)[0]
    Credential.objects.filter(pk=row.pk).update(access_sealed=bytes(row.access_sealed)[:-1] + b"\0")
    KeyCheckValue.objects.all().delete()
    ring("k1", "k0")
    assert keys.ring().newest == "k1"


@pytest.mark.django_db(transaction=True)
def test_of_two_first_processes_with_different_keys_one_is_refused(ring) -> None:
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def prove(salt: str) -> None:
        candidate = keys.parse([entry("k9", salt=salt)])
        barrier.wait()
        try:
            key_checks.prove(candidate)
            outcomes.append("believed")
        except SealBroken:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=prove, args=(salt,)) for salt in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["believed", "refused"]


def test_a_key_removed_too_early_is_named_at_start_with_what_it_holds(app, ring) -> None:
    make_rows(app, 3)
    ring("k2")
    with pytest.raises(SealBroken, match=r"'k1' \(8 values\)"):
        key_checks.at_start()
    ring("k2", "k1")
    key_checks.at_start()


def test_a_missing_key_harms_nothing(app, ring) -> None:
    row = make_rows(app, 1)[0]
    ring("k2")
    with pytest.raises(SealBroken, match="no key 'k1'"):
        seals.access_token(row)
    ring("k2", "k1")
    assert seals.access_token(row).reveal() == "access-loc0"


def test_an_empty_database_wants_no_key(ring, db) -> None:
    key_checks.at_start()
    assert set(KeyCheckValue.objects.values_list("key_id", flat=True)) <= {"k1"}


def test_new_rows_count_at_once(app, ring) -> None:
    ring("k2", "k1")
    store.save_grant(store.location(app, "new"), grant("new"), now=make_app("7-b").created_at)
    ring("k1")
    with pytest.raises(SealBroken, match="'k2'"):
        key_checks.at_start()
