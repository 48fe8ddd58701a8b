"""Who decrypts a sealed token, all of them: the gateway, the refresh, or an operator, with an audit entry.

A new function that opens one fails here until it has a line that says why it may, or where it is recorded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2] / "integrations"
OUTSIDE = ("sandbox", "demo", "highlevel")  # hold no rows of ours

OPENINGS = {
    # The doors themselves.
    "vault/seal.py unseal: unseal_with": "the door",
    "vault/seal.py unseal_anywhere: unseal_with": "the same, for code that sends nothing",
    "vault/seal.py resealed: unseal_with": "the same, and it seals the secret again",
    "tokens/seals.py opened: unseal": "the door that looks at the address",
    "tokens/seals.py _opened: opened": "the door to a credential's columns",
    "tokens/spool/spool.py grant: opened": "the door to a spool entry",
    "tokens/spool/spool.py grant: unpacked": "the same",
    # The gateway's way to a call, and the refresh of what it calls with.
    "tokens/access/access_token.py get: access_token": "the gateway's",
    "installs/question.py token_state: access_token": "a question to the vendor: is the app installed there?",
    "tokens/refresh/claim_call_swap.py company_access: access_token": "a minting's",
    "tokens/refresh/token_requests.py by_refresh_token: refresh_token": "a refresh's",
    # Recorded.
    "tokens/refresh/commit.py spooled_pair: grant": "token.rescued",
    "installs/complete.py complete_spooled: grant": "install.completed, or install.outdated",
    "tokens/entered_tokens/entry.py check: access_token": "token.tested",
    "vault/rotation.py _reseal: resealed": "vault.rotation_started, vault.rotation_finished",
    "vault/rotation.py _pass_outside: resealed": "the same",
    "backups/proof.py _opens: unseal_anywhere": "backup.verified, backup.restored",
    "vault/key_checks.py _opens: unseal_anywhere": "vault.key_proven",
    # No tokens: the app's own secrets.
    "tenants/marketplace.py identity: unseal": "the client secret, for a call of OAuth's",
    "tenants/marketplace.py shared_secret: unseal": "the secret of the page SSO",
    "modules/module_keys.py _opened: unseal": "a key for modules, to compare it, or shown: module_key.shown",
    # No tokens: what a failed call sent, without secrets.
    "gateway/stats/sent_request.py opened: unseal": "for an operator who makes the call again in the call explorer",
    # No tokens: keys and digests of our own.
    "outbox/entry_seal.py _says: unseal": "a digest of a call that waits",
    "upserts/upsert_key.py cipher: unseal": "the data key of an upsert's rows, for the worker that sends them",
    "upserts/upsert_key.py move: unseal": "the same, sealed for another phase: upsert.started, .cancelled, .resumed",
    "operators/rights/rights_seal.py proven: unseal": "a digest of an operator's rights",
    "operators/second_factor/totp.py secret: unseal": "the secret of an operator's authenticator app",
    "sync/sealed_fields.py _key: unseal": "the data key of a location's sealed fields",
    "sync/sealed_fields.py _make: unseal": "the same, after another process made it",
    "vault/row_macs.py _read: unseal": "the key of MACs over rows",
    "sync/suppression.py _key: unseal": "the key of the hashes of purged contacts",
    "sync/suppression.py _make_key: unseal": "the same, after another process made it",
}
_OPENERS = {
    "unseal",
    "unseal_with",
    "unseal_anywhere",
    "resealed",
    "opened",
    "unpacked",
    "access_token",
    "refresh_token",
}


def openings() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] in OUTSIDE or "migrations" in place.parts:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and (name := opened_by(node)):
                        yield f"{place} {function.name}: {name}"


def opened_by(call: ast.Call) -> str | None:
    """`entry.grant(…)` opens as well; a facade's call of that operation's name has no row to open."""
    match call.func:
        case ast.Name(id=name) if name in _OPENERS:
            return name
        case ast.Attribute(attr=name, value=ast.Name(id="store" | "seals" | "seal" | "serialization")) if (
            name in _OPENERS
        ):
            return name
        case ast.Attribute(attr="grant", value=ast.Name(id="entry")):
            return "grant"
    return None


def test_every_opening_is_known() -> None:
    assert set(openings()) == OPENINGS.keys()
