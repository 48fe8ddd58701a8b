"""Whoever writes to the database without a key of the vault changes nothing of the audit trail unseen."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from integrations.core import audit
from integrations.core.audit import exported_heads, maintenance, verification
from integrations.core.audit.exported_heads import ExportedHead
from integrations.core.audit_seals import TrailHead
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry, AuditHead, AuditHeadExport
from tests.core import attacker

LENGTH = 8


@pytest.fixture
def entries(db) -> list[AuditEntry]:
    return [audit.record("install.completed", actor="a", subject=f"Location:{n}", number=n) for n in range(LENGTH)]


ATTACKS: dict[str, tuple[Callable[[], None], int | None, str]] = {
    "content": (partial(attacker.change, 3, actor="b"), 3, "changed after it was written"),
    "detail": (partial(attacker.change, 3, detail={"number": 9}), 3, "changed after it was written"),
    "time": (partial(attacker.change, 1, at="2026-01-01T00:00:00Z"), 1, "changed after it was written"),
    "content, chain computed anew": (partial(attacker.change_and_compute, 3), 3, "seal is not ours"),
    "last entry, chain computed anew": (partial(attacker.change_and_compute, LENGTH), LENGTH, "seal is not ours"),
    "seal of another entry": (partial(attacker.copy_seal, 2, 5), 5, "seal is not ours"),
    "key that is gone": (partial(attacker.name_a_key_that_is_gone, 4), 5, "one from 4 on was changed"),
    "last entry, key that is gone": (partial(attacker.name_a_key_that_is_gone, LENGTH), LENGTH, "lacks gone"),
    "removed": (partial(attacker.remove, 2), 3, "entry 2 is missing"),
    "first ones removed": (partial(attacker.remove, 1, 2), 3, "entries 1 to 2 are missing"),
    "removed and closed up": (partial(attacker.remove_and_close_up, 4), 4, "seal is not ours"),
    "inserted, with a copied seal": (partial(attacker.insert, 4), 4, "seal is not ours"),
    "inserted, without a seal": (partial(attacker.insert, 4, key_id="", seal=None), 4, "has no seal"),
    "appended": (partial(attacker.insert, LENGTH + 1), LENGTH + 1, "seal is not ours"),
    "appended, without a seal": (partial(attacker.insert, LENGTH + 1, key_id="", seal=None), LENGTH + 1, "no seal"),
    "neighbours change places": (partial(attacker.swap_contents, 4, 5), 4, "does not follow"),
    "far ones change places": (partial(attacker.swap_contents, 2, 7), 2, "does not follow"),
    "end cut off": (partial(attacker.cut, 6), 6, "cut off: entries 6 to 8 are missing"),
    "last one cut off": (partial(attacker.cut, LENGTH), LENGTH, "cut off: entry 8 is missing"),
    "end cut off, head moved": (partial(attacker.cut_and_move_head, 6), None, "head's seal is not proven (forged)"),
    "end cut off, head deleted": (partial(attacker.cut_and_delete_head, 6), None, "head is missing"),
    "all cut off": (partial(attacker.cut, 1), 1, "entries 1 to 8 are missing"),
    "never sealed": (attacker.pretend_to_be_of_the_release_before_seals, 1, "no seal"),
}


def test_every_attack_on_the_database_is_seen(entries) -> None:
    """Each is done to the same trail and undone again."""
    assert verification.examine().flaws == []
    for name, (attack, number, words) in ATTACKS.items():
        with transaction.atomic():
            with attacker.superuser():
                attack()
            found = verification.examine()
            transaction.set_rollback(True)
        first = next((flaw.number for flaw in found.failures if flaw.number is not None), None)
        assert found.first_broken is not None, name
        assert first == number, (name, list(map(str, found.failures)))
        assert any(words in flaw.what for flaw in found.failures), (name, list(map(str, found.failures)))
    assert verification.examine().flaws == []


def test_an_entry_after_an_attack_hides_nothing(entries) -> None:
    """The application goes on writing: it is stopped by no missing or forged head, and that stays visible."""
    for name in ("content, chain computed anew", "removed", "end cut off, head moved", "end cut off, head deleted"):
        with transaction.atomic():
            with attacker.superuser():
                ATTACKS[name][0]()
            for number in range(3):
                audit.record("later", actor="a", subject=str(number))
            found = verification.examine()
            transaction.set_rollback(True)
        assert found.first_broken is not None, name
    assert {flaw.number for flaw in found.failures} == {6}, "the place at which the head was gone"
    assert "may have been cut off" in found.failures[0].what


def test_an_earlier_head_put_back_is_seen_by_exported_heads(entries, tmp_path: Path) -> None:
    """The one attack that the database alone does not show: an earlier state of the whole trail."""
    earlier = AuditHead.objects.get()
    audit.record("secret.deed", actor="a", subject="x")
    exported = exported_heads.current()
    assert exported is not None
    file = tmp_path / "heads"
    file.write_text(f"a line of a log\npod-1 {_line(exported)}\n")
    with attacker.superuser():
        attacker.cut(LENGTH + 1)
        earlier.save()
    assert verification.examine().failures == [], "which is why heads are exported"
    found = verification.examine(exported_heads.in_file(file))
    assert [(flaw.number, "it is missing" in flaw.what) for flaw in found.failures] == [(LENGTH + 1, True)]
    # Another entry takes the number of the one that was cut off.
    audit.record("harmless.deed", actor="a", subject="x")
    found = verification.examine(exported_heads.in_file(file))
    assert [(flaw.number, "another chain value" in flaw.what) for flaw in found.failures] == [(LENGTH + 1, True)]
    with attacker.superuser():
        attacker.wipe()
    audit.record("begun.anew", actor="a", subject="x")
    assert verification.examine(exported_heads.in_file(file)).failures != []


def test_invented_heads_are_told_apart(entries, tmp_path: Path) -> None:
    head = exported_heads.current()
    assert head is not None
    other = TrailHead(number=99, value=b"x" * 32, at=head.at, key_id=head.key_id, seal=head.seal)
    file = tmp_path / "heads"
    file.write_text(f'{_line(head)}\n{_line(other)}\n{{"seal": 1}}\n{{"event": "other"}}\n{{broken\n')
    found = verification.examine(exported_heads.in_file(file))
    assert [flaw.what.partition(" is ")[2] for flaw in found.failures] == ["not a head of ours"] * 2
    assert found.compared == 1
    with pytest.raises(BadRequest, match="cannot be read"):
        list(exported_heads.in_file(tmp_path / "none"))


def _line(head: TrailHead) -> str:
    return json.dumps(head.as_json())


def test_an_operator_accepts_what_is_explained(entries) -> None:
    """After a restored backup the exported heads know entries that are gone."""
    with pytest.raises(BadRequest, match="nothing to accept"):
        maintenance.accept("no reason", actor="op")
    later = ExportedHead(_appended_and_lost(), "a log")
    assert verification.examine([later]).first_broken is not None
    with attacker.superuser():
        attacker.change(2, actor="b")
    assert len(verification.examine([later]).failures) == 2
    maintenance.accept("the backup of Monday was restored", actor="op")
    found = verification.examine([later])
    assert (found.failures, len(found.flaws)) == ([], 2)
    with transaction.atomic():
        with attacker.superuser():
            attacker.change(4, actor="b")
        assert [flaw.number for flaw in verification.examine([later]).failures] == [4], (
            "only what was found is accepted"
        )
        transaction.set_rollback(True)
    with attacker.superuser():
        attacker.change(LENGTH + 1, detail={"reason": "none"})
    assert len(verification.examine([later]).failures) > 2, "a changed acceptance accepts nothing"


def test_what_only_an_exported_head_knows_is_accepted_and_nothing_after_it(entries) -> None:
    """The database of a restored backup is sound by itself: its own exports are as old as it is."""
    later = ExportedHead(_appended_and_lost(), "a log")
    assert verification.examine().failures == []
    with pytest.raises(BadRequest, match="nothing was deleted"):
        maintenance.prune(entries[5].at, actor="op", heads=[later])
    maintenance.accept("the backup of Monday was restored", actor="op", heads=[later])
    assert verification.examine([later]).failures == []
    for number in range(2):
        audit.record("later", actor="a", subject=str(number))
    with attacker.superuser():
        attacker.change(LENGTH + 2, actor="b")
    assert [flaw.number for flaw in verification.examine([later]).failures] == [LENGTH + 2]


def _appended_and_lost() -> TrailHead:
    with transaction.atomic():
        audit.record("lost", actor="a", subject="x")
        head = exported_heads.current()
        transaction.set_rollback(True)
    assert head is not None
    return head


def test_only_the_beginning_is_deleted_and_the_rest_still_verifies(entries) -> None:
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
        AuditEntry.objects.filter(number=1).delete()
    assert maintenance.prune(entries[0].at, actor="op") == maintenance.Pruned(0, 0)
    assert maintenance.prune(entries[5].at, actor="op") == maintenance.Pruned(5, 5)
    found = verification.examine()
    assert (found.failures, found.entries) == ([], LENGTH - 5 + 1)
    newest = AuditEntry.objects.get(action="audit.pruned")
    assert (newest.actor, newest.detail["up_to"], newest.detail["hash"]) == ("op", 5, entries[4].hash.hex())
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
        AuditEntry.objects.filter(number=6).delete()
    for attack in (partial(attacker.remove, 6), partial(AuditHead.objects.update, base_number=6)):
        with transaction.atomic():
            with attacker.superuser():
                attack()
            assert verification.verify() is not None
            with pytest.raises(BadRequest, match="does not verify"):
                maintenance.prune(newest.at, actor="op")
            transaction.set_rollback(True)


def test_the_database_refuses_to_change_what_was_appended(entries) -> None:
    """Also for the owner of the tables, whom no GRANT binds."""
    head = AuditHead.objects.get().head.as_json()
    AuditHeadExport.objects.create(number=LENGTH, head=head, exported_at=entries[0].at)
    refused = [
        "UPDATE core_auditentry SET actor = 'b'",
        "DELETE FROM core_auditentry WHERE id < 0",
        "TRUNCATE core_auditentry",
        "DELETE FROM core_audithead",
        "TRUNCATE core_audithead",
        "UPDATE core_auditheadexport SET number = 2",
        "DELETE FROM core_auditheadexport",
        "TRUNCATE core_auditheadexport",
    ]
    for statement in refused:
        with (
            pytest.raises(DatabaseError, match="append only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert audit.verify() is None


def test_a_detail_verifies_as_it_comes_back(db) -> None:
    """PostgreSQL writes some numbers in another way than Python."""
    odd = {"a": [1e22, -0.0, 1e-7, 1.0, 10**30, 1.5e300], "ü": {"2": None, "10": True}, "n": {3: 1, 20: 2}}
    audit.record("odd", actor="a", subject="ü" * 200, **odd)
    assert audit.verify() is None


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    """Also when some of them roll back, or are the first ones at an empty trail."""

    def write(name: int) -> None:
        for number in range(5):
            try:
                with transaction.atomic():
                    audit.record("x", actor=str(name), subject=str(number))
                    if number == name:
                        raise InterruptedError
            except InterruptedError:
                pass
        connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = list(AuditEntry.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 26))
    assert audit.verify() is None


@pytest.mark.django_db(transaction=True)
def test_a_writer_that_holds_the_trail_costs_others_no_more_than_their_limit() -> None:
    def wait() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        try:
            audit.record("y", actor="b", subject="z")
        except DatabaseError as error:
            refused.append(str(error))
        connection.close()

    refused: list[str] = []
    with transaction.atomic():
        audit.lock()
        other = threading.Thread(target=wait)
        other.start()
        other.join(10)
    assert "lock timeout" in refused[0]
    audit.record("y", actor="b", subject="z")
    assert audit.verify() is None


def test_the_role_of_the_documents_can_append_and_nothing_else(entries) -> None:
    """The GRANTs are run as docs/security.md has them."""
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    grants = text.split("```sql\n")[1].split("```")[0]
    refused = [
        "UPDATE core_auditentry SET actor = 'b'",
        "DELETE FROM core_auditentry",
        "TRUNCATE core_auditentry",
        "DELETE FROM core_audithead",
        "ALTER TABLE core_auditentry DISABLE TRIGGER append_only",
        "SET LOCAL session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION core_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    ]
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE hlapp_app NOLOGIN")
        cursor.execute(grants)
        cursor.execute("SET LOCAL ROLE hlapp_app")
        audit.record("x", actor="a", subject="b")
        assert audit.verify() is None
        for statement in refused:
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), maintenance.lifted():
                cursor.execute(statement)
        cursor.execute("RESET ROLE")
    assert AuditEntry.objects.count() == LENGTH + 1
