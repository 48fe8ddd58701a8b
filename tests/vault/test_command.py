"""`manage.py vault status|rotate` as an operator sees it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.tokens.models import Credential
from tests.vault.conftest import entry, make_rows


def vault(*argv: str) -> tuple[str, str]:
    """Standard output, and the complaint of a failure."""
    out = io.StringIO()
    try:
        call_command("vault", *argv, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def status() -> tuple[dict[str, Any], str]:
    out, complaint = vault("status", "--json")
    return json.loads(out), complaint


def roles(found: dict[str, Any]) -> dict[str, str]:
    return {key["key_id"]: key["role"] for key in found["keys"]}


def test_one_key_seals_all(app, ring) -> None:
    make_rows(app, 2)
    found, complaint = status()
    assert complaint == ""
    assert (found["newest"], found["stale"], found["damaged"]) == ("k1", 0, 0)
    assert found["keys"] == [
        {
            "key_id": "k1",
            "role": "seals",
            "total": 6,
            "columns": {
                "tenants.App.client_secret_sealed": 1,
                "tenants.App.shared_secret_sealed": 1,
                "tokens.Credential.access_sealed": 2,
                "tokens.Credential.refresh_sealed": 2,
            },
        }
    ]


def test_an_unused_key_may_be_retired_once_nothing_stands_under_it(app, ring) -> None:
    make_rows(app, 2)
    ring("k2", "k1")
    assert roles(status()[0]) == {"k2": "seals", "k1": "opens"}
    assert "6 values are to be encrypted again: manage.py vault rotate" in vault("status")[0]
    assert "6 values re-sealed under 'k2', 0 left" in vault("rotate")[0]
    found, complaint = status()
    assert (roles(found), found["retirable"], complaint) == ({"k2": "seals", "k1": "retirable"}, ["k1"], "")
    text = vault("status")[0]
    assert "unused, may be retired" in text
    assert "may leave VAULT_KEYS on all machines: k1" in text
    assert "backups of before need it" in text


def test_a_key_removed_too_early_is_named(app, ring) -> None:
    make_rows(app, 2)
    ring("k2")
    found, complaint = status()
    assert (roles(found), found["missing"]) == ({"k2": "seals", "k1": "missing"}, ["k1"])
    assert "the key 'k1' is missing and seals 6 values" in complaint
    assert "MISSING from VAULT_KEYS" in vault("status")[0]


def test_another_key_under_the_same_id_is_named(app, ring) -> None:
    make_rows(app, 2)
    ring(entry("k1", salt="other"), "k0")
    found, complaint = status()
    assert roles(found) == {"k1": "wrong", "k0": "retirable"}
    assert "the key 'k1' is not the one" in complaint
    assert "another key under the id 'k1'" in vault("rotate")[1]


def test_a_broken_value_fails_the_rotation_at_its_end(app, ring) -> None:
    row = make_rows(app, 3)[1]
    Credential.objects.filter(pk=row.pk).update(access_sealed=b"\1\2k1" + bytes(60), refresh_sealed=b"?")
    ring("k2", "k1")
    out, complaint = vault("rotate")
    assert "6 values re-sealed" in out
    assert f"tokens.Credential.access_sealed of row {row.pk} (credential:{app.pk}:Location:loc1)" in out
    assert complaint == "2 values cannot be decrypted and were left as they are"
    assert "1 values are damaged: tokens.Credential.refresh_sealed" in status()[1]
    outcome = json.loads(vault("rotate", "--json")[0])
    assert (outcome["resealed"], outcome["left"], len(outcome["broken"])) == (0, 2, 2)


def test_many_broken_values_do_not_flood_the_terminal(app, ring) -> None:
    make_rows(app, 15)
    Credential.objects.update(access_sealed=b"?", refresh_sealed=b"?")
    out, complaint = vault("rotate")
    assert out.count("cannot be decrypted") == 20
    assert "… and 10 more" in out
    assert complaint.startswith("30 values")


@pytest.mark.parametrize("action", ["status", "rotate"])
@pytest.mark.parametrize("shape", [[], ["--json"]])
def test_no_secret_is_printed(app, ring, capfd, action: str, shape: list[str]) -> None:
    make_rows(app, 2)
    Credential.objects.filter(resource_id="loc1").update(access_sealed=b"?")
    entries = ring("k2", entry("k1"))
    text = "".join([*vault(action, *shape), *capfd.readouterr()])
    secrets = [
        "access-loc",
        "refresh-loc",
        "client-secret-text",
        "shared-text",
        *(e.partition(":")[2] for e in entries),
    ]
    assert [secret for secret in secrets if secret in text] == []


def test_an_action_is_needed() -> None:
    with pytest.raises(CommandError, match="action"):
        call_command("vault")
