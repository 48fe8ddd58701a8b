"""`manage.py audit`: names what fails, gives the hash that vouches for the whole, lists and prunes."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import audit, clock
from integrations.core.audit import exported_heads
from integrations.core.models import AuditEntry, AuditHeadExport
from tests.core import attacker

pytestmark = pytest.mark.django_db


@pytest.fixture
def entries() -> list[AuditEntry]:
    return [audit.record("install.completed", actor="a", subject=f"Location:{n}", number=n) for n in range(5)]


def run(*argv: str) -> tuple[str, str]:
    out = io.StringIO()
    try:
        call_command("audit", *argv, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def verify(*argv: str) -> tuple[str, str]:
    return run("verify", *argv)


def test_a_sound_trail(entries) -> None:
    out, complaint = verify()
    assert "5 entries, all are sound." in out
    assert bytes(entries[-1].hash).hex() in out
    assert complaint == ""


def test_an_empty_trail() -> None:
    assert verify() == ("The audit trail is empty.\n", "")
    found = json.loads(verify("--json")[0])
    assert (found["entries"], found["first_broken"], found["head"]) == (0, None, None)


def test_the_first_broken_entry_is_named(entries) -> None:
    with attacker.superuser():
        AuditEntry.objects.filter(pk__in=[entries[2].pk, entries[3].pk]).update(actor="somebody else")
    out, complaint = verify("--json")
    found = json.loads(out)
    assert found["first_broken"] == entries[2].pk
    assert [(one["number"], one["id"]) for one in found["flaws"]] == [(3, entries[2].pk), (4, entries[3].pk)]
    assert f"the first failure is entry {entries[2].number}: " in complaint
    assert "2 flaws" in verify()[0]


def test_a_kept_hash_and_a_kept_head_show_that_the_trail_was_replaced(entries, settings: Any, tmp_path: Path) -> None:
    kept = json.loads(verify("--json")[0])["head"]["hash"]
    audit.record("later", actor="a", subject="x")
    assert verify("--kept", kept)[1] == ""
    file = tmp_path / "heads.jsonl"
    AuditHeadExport.objects.create(
        number=6, head=_head(), exported_at=clock.now(), places=["log"], trouble="file: full"
    )
    file.write_text(json.dumps(_head()))
    assert "2 exported heads agree" in verify("--heads", str(file))[0]
    settings.AUDIT_HEAD_FILE = str(file)
    with attacker.superuser():
        attacker.wipe()
    for number in range(6):
        audit.record("install.completed", actor="a", subject=f"Location:{number}", number=number)
    assert "had another chain value" in verify("--kept", kept)[1]
    settings.AUDIT_HEAD_FILE = ""
    assert "lacks" in verify("--kept", kept)[1]
    assert "--kept should be a hash" in verify("--kept", "nonsense")[1]
    assert "cannot be read" in verify("--heads", str(tmp_path / "none"))[1]


def _head() -> dict[str, Any]:
    head = exported_heads.current()
    assert head is not None
    return head.as_json()


def test_exported_heads_are_listed(entries) -> None:
    assert "No head was exported yet" in run("heads")[0]
    AuditHeadExport.objects.create(
        number=5, head=_head(), exported_at=clock.now(), places=["log"], trouble="file: full"
    )
    line = run("heads")[0]
    assert "entry 5" in line
    assert "log  (file: full)" in line
    [listed] = json.loads(run("heads", "--json")[0])
    assert (listed["number"], listed["value"], listed["places"]) == (5, bytes(entries[-1].hash).hex(), ["log"])


def test_old_entries_are_pruned_and_flaws_accepted(entries) -> None:
    assert "at least 30" in run("prune", "--keep-days", "29")[1]
    assert json.loads(run("prune", "--keep-days", "30", "--json")[0]) == {"deleted": 0, "up_to": 0}
    with attacker.superuser():
        attacker.change(2, at=clock.now() - timedelta(days=50))
    assert "does not verify" in run("prune", "--keep-days", "30")[1]
    assert "1 flaw accepted." in run("accept", "--reason", "the clock was wrong")[0]
    assert "1 flaw accepted" in verify()[0]
    assert run("reseal")[1] == ""
    assert "nothing to accept" in run("accept", "--reason", "again")[1]
    assert "3 entries deleted" not in run("prune", "--keep-days", "30")[0], "an entry before is younger"
    actions = list(AuditEntry.objects.order_by("number").values_list("action", flat=True))[5:]
    assert actions == ["audit.accepted", "audit.resealed"]
