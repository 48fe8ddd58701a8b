"""`manage.py audit verify`: names the first broken entry, and gives the hash that vouches for the whole."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from integrations.core import audit
from integrations.core.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def entries() -> list[AuditEntry]:
    return [audit.record("install.completed", actor="a", subject=f"Location:{n}", number=n) for n in range(5)]


def verify(*argv: str) -> tuple[str, str]:
    out = io.StringIO()
    try:
        call_command("audit", "verify", *argv, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_a_sound_trail(entries) -> None:
    out, complaint = verify()
    assert "5 entries, all fit." in out
    assert bytes(entries[-1].hash).hex() in out
    assert complaint == ""


def test_an_empty_trail() -> None:
    assert verify() == ("The audit trail is empty.\n", "")
    assert json.loads(verify("--json")[0]) == {"entries": 0, "first_broken": None, "head": None}


def test_the_first_broken_entry_is_named(entries) -> None:
    AuditEntry.objects.filter(pk__in=[entries[2].pk, entries[3].pk]).update(actor="somebody else")
    out, complaint = verify("--json")
    assert json.loads(out)["first_broken"] == entries[2].pk
    assert f"entry {entries[2].pk} is the first that does not fit" in complaint


def test_a_kept_hash_shows_that_the_end_was_cut_off(entries) -> None:
    kept = json.loads(verify("--json")[0])["head"]["hash"]
    audit.record("later", actor="a", subject="x")
    assert verify("--kept", kept)[1] == ""
    AuditEntry.objects.filter(pk__gte=entries[-1].pk).delete()
    out, complaint = verify("--kept", kept)
    assert "4 entries, all fit" in out, "the chain alone does not show it"
    assert "lacks" in complaint


def test_a_kept_hash_shows_that_all_was_written_anew(entries) -> None:
    kept = bytes(entries[-1].hash).hex()
    AuditEntry.objects.all().delete()
    for number in range(5):
        audit.record("install.completed", actor="a", subject=f"Location:{number}", number=number)
    assert "lacks" in verify("--kept", kept)[1]


def test_a_malformed_hash_is_said_to_be_one(entries) -> None:
    assert "--kept should be a hash" in verify("--kept", "nonsense")[1]
