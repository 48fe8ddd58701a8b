"""The audit trail through a rotation of keys: sealed by derived keys, proven under each ring that comes."""

from __future__ import annotations

import pytest

from integrations.core import audit
from integrations.core.audit import maintenance, verification
from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry, AuditHead
from integrations.vault import derived_keys, keys, rotation, status
from tests.core import attacker
from tests.vault.conftest import entry

pytestmark = pytest.mark.django_db


def record(*actions: str) -> None:
    for action in actions:
        audit.record(action, actor="a", subject="b")


def flaws() -> list[str]:
    return [str(flaw) for flaw in verification.examine().failures]


def sealed_by() -> list[str]:
    return list(AuditEntry.objects.order_by("number").values_list("key_id", flat=True))


def test_a_new_key_takes_over_and_the_old_one_can_leave(ring) -> None:
    record("one", "two")
    ring("k1", "k2")
    record("three")
    ring("k2", "k1")
    assert (flaws(), status.examine().retirable) == ([], []), "the head is sealed by k1"
    rotation.run(actor="test", watcher=rotation.Watcher())
    assert sealed_by() == ["k1", "k1", "k1", "k2", "k2", "k2"]
    resealed = AuditEntry.objects.get(action="audit.resealed")
    assert resealed.detail == {"entries": 3, "keys": {"k1": 3}, "first_broken": None}
    assert status.examine().retirable == ["k1"]
    ring("k2")
    assert flaws() == [], "the entries of k1 are proven by the first one of k2"
    record("four")
    rotation.run(actor="test", watcher=rotation.Watcher())
    assert AuditEntry.objects.filter(action="audit.resealed").count() == 1, "k2 answers already"


def test_entries_of_a_retired_key_cannot_be_changed(ring) -> None:
    record("one", "two", "three")
    ring("k2", "k1")
    maintenance.reseal(actor="test")
    ring("k2")
    with attacker.superuser():
        attacker.change(2, actor="nobody")
    assert flaws() == ["entry 2: it was changed after it was written"]
    with attacker.superuser():
        attacker.compute_anew(2)
    found = flaws()
    assert found[0] == "entry 4: its seal is not ours: it was rewritten or inserted, or one from 1 on was changed"


def test_a_key_that_left_too_early_is_named_and_comes_back(ring) -> None:
    record("one", "two")
    ring("k2")
    assert "entry 1: from here on nothing is proven: VAULT_KEYS lacks k1" in flaws()
    ring("k2", "k1")
    assert flaws() == []
    ring("k2")
    record("three")
    assert "the head was missing or forged here" in flaws()[0]
    assert AuditEntry.objects.get(action="audit.head_lost").detail["reason"] == "its key is not in VAULT_KEYS"


def test_nothing_is_recorded_under_a_wrong_ring(ring) -> None:
    record("one")
    ring(entry("k1", salt="other"))
    with pytest.raises(SealBroken, match="another key"):
        record("two")
    ring("k1")
    assert (flaws(), AuditEntry.objects.count()) == ([], 1)


def test_the_key_of_the_trail_is_none_that_encrypts_and_each_purpose_has_its_own(ring) -> None:
    ring("k1", "k2")
    found = keys.ring()
    derived = {found.mac_key(key_id, purpose) for key_id in ("k1", "k2") for purpose in ("a", "b")}
    assert len(derived) == 4
    assert derived.isdisjoint({found.roots["k1"], found.roots["k2"]})
    assert found.mac_key("k3", "a") is None
    record("one")
    row = AuditEntry.objects.get()
    assert bytes(row.seal or b"") == derived_keys.mac(found, derived_keys.AUDIT_TRAIL, "k1", row.sealed_message)
    shown = repr(found)
    assert "k1" in shown
    assert found.roots["k1"].hex() not in shown
    assert AuditHead.objects.get().key_id == "k1"
