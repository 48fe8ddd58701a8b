"""The page of keys, spool and audit trail: it says what the alarms say, and cures them for those who may."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import current_app
from django.test import Client

from integrations.console.safekeeping import safekeeping_view
from integrations.core.models import AuditEntry, AuditHead
from integrations.quota import sealed_hash
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.vault import rotation, tasks
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in
from tests.tokens.spool.test_spool_command import set_aside
from tests.vault.conftest import Ring, make_rows, tokens
from tests.vault.test_spool_keys import put_in_spool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
PAGE = "/admin/core/workerprocess/safekeeping/"


def do(client: Client, action: str, **fields: str) -> str:
    answer = client.post(PAGE, {"action": action, **fields}, follow=True)
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


def test_an_owner_has_everything_sealed_again_from_the_page(
    app: App, ring: Ring, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(app, 3)
    ring("k2", "k1")
    sent: list[str] = []
    monkeypatch.setattr(safekeeping_view, "enqueue", sent.append)
    owner, operator = sign_in("owner"), sign_in("operator")
    assert "8 values have to be sealed again under" in owner.get(PAGE).content.decode()
    assert 'value="rotate"' not in operator.get(PAGE).content.decode()
    assert do(operator, "rotate") == "403"
    assert "A worker re-seals all values" in do(owner, "rotate")
    assert sent == ["vault.rotate"]
    current_app.tasks["vault.rotate"]()
    assert rotation.stale() == 0
    assert "have to be sealed again" not in owner.get(PAGE).content.decode()
    assert tokens(rows[0]) == ("access-loc0", "refresh-loc0")
    entries = AuditEntry.objects.filter(action__startswith="vault.rotation").order_by("pk")
    assert list(entries.values_list("action", "actor")) == [
        ("vault.rotation_requested", "operator the-owner"),
        ("vault.rotation_started", "system"),
        ("vault.rotation_finished", "system"),
    ]


def test_a_rotation_goes_on_in_the_next_turn(app: App, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    make_rows(app, 3)
    ring("k2", "k1")
    sent: list[str] = []
    monkeypatch.setattr(tasks, "enqueue", sent.append)
    monkeypatch.setattr(tasks, "TURN", 0.0)
    tasks.rotate()
    assert (sent, rotation.stale()) == (["vault.rotate"], 8)
    monkeypatch.undo()
    ring("k2", "k1")
    tasks.rotate()
    assert rotation.stale() == 0


def test_a_lost_key_is_named_with_what_to_do(app: App, ring: Ring, sign_in: SignIn) -> None:
    make_rows(app, 1)
    ring("k2")
    text = sign_in("viewer").get(PAGE).content.decode()
    assert "the key &#x27;k1&#x27; is missing and seals 4 values" in text
    assert "MISSING from VAULT_KEYS" in text
    assert "no page can add or remove one" in text


def test_entries_of_the_spool_are_tried_again_from_the_page(
    app: App, ring: Ring, spool_directory: Path, sign_in: SignIn
) -> None:
    row = make_rows(app, 1)[0]
    name = set_aside(row, spool_directory)
    support, viewer = sign_in("support"), sign_in("viewer")
    assert name in viewer.get(PAGE).content.decode()
    assert do(viewer, "retry") == "403"
    assert "1 entries committed, 0 left." in do(support, "retry")
    assert Credential.objects.get(pk=row.pk).generation == row.generation + 1
    assert AuditEntry.objects.get(action="spool.retried").detail == {"tried": 1, "left": 0}


def test_an_entry_is_deleted_once_its_name_was_typed(
    app: App, ring: Ring, spool_directory: Path, sign_in: SignIn
) -> None:
    row = make_rows(app, 1)[0]
    name = set_aside(row, spool_directory)
    operator = sign_in("operator")
    assert do(sign_in("support"), "drop", name=name, confirm=name) == "403"
    assert "Nothing was changed" in do(operator, "drop", name=name, confirm="yes")
    assert list(sealed_hash.items("spool-aside")) == [name]
    assert f"{name} was deleted." in do(operator, "drop", name=name, confirm=name)
    assert sealed_hash.items("spool-aside") == {}
    assert AuditEntry.objects.get(action="spool.dropped").actor == "operator the-operator"
    assert "has no entry" in do(operator, "drop", name=name, confirm=name)


def test_what_still_waits_cannot_be_deleted_by_a_button(
    app: App, ring: Ring, spool_directory: Path, sign_in: SignIn
) -> None:
    put_in_spool(make_rows(app, 1)[0], "newer")
    text = sign_in("operator").get(PAGE).content.decode()
    assert "Try them again now" in text
    assert "Delete it" not in text


def test_a_head_of_the_audit_trail_that_is_not_ours_is_seen_by_those_who_may(
    app: App, ring: Ring, sign_in: SignIn
) -> None:
    operator, viewer = sign_in("operator"), sign_in("viewer")
    AuditHead.objects.update_or_create(id=1, defaults={"number": 7, "seal": b"x" * 32, "key_id": "k1"})
    assert "its head is not proven: forged" in operator.get(PAGE).content.decode()
    assert "Audit trail</h2>" not in viewer.get(PAGE).content.decode()


def test_it_is_no_page_for_staff_without_a_role(sign_in: SignIn) -> None:
    client = sign_in("nobody")
    assert client.get(PAGE).status_code == 403
    assert do(client, "rotate") == "403"
    assert do(client, "no such action") == "403"
