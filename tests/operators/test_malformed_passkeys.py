"""Answers that no browser gives in place of a passkey: refused, and never a fault of ours."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import AttestedCredentialData
from pytest_django import Settings

from integrations.core import clock
from integrations.core.errors import SignatureInvalid
from integrations.operators.models import Passkey
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import passkeys, recovery_codes
from integrations.operators.sessions import SessionStore
from tests.operators.conftest import SignIn

pytestmark = pytest.mark.django_db

PAGE, CHECK = "/admin/second-factor/", "/admin/login/second-factor/"
EC: dict[int, Any] = {1: 2, 3: -7, -1: 1, -2: b"\1" * 32, -3: b"\2" * 32}
ID = b"c" * 16
KEYS: tuple[dict[int, Any], ...] = ({}, {1: 2}, {1: 2, 3: 99}, {3: []})


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def data(key: dict[int, Any], host: str) -> bytes:
    """What an authenticator says of a new key."""
    head = hashlib.sha256(host.encode()).digest() + b"\x41" + bytes(4) + bytes(16)
    return head + struct.pack(">H", len(ID)) + ID + cbor.encode(key)


def answers(challenge: str, origin: str, what: str) -> Iterator[str]:
    """Garbage, and answers to this challenge that end early, are nested too deeply or have parts of other kinds."""
    yield from ("x", "[]", "5", "{}", "[" * 100_000, '{"id": 1}', '{"response": {"clientDataJSON": 1}}')
    said = json.dumps({"type": f"webauthn.{what}", "challenge": challenge, "origin": origin}).encode()
    host = origin.partition("://")[2]
    whole = {key_number: data(key, host) for key_number, key in enumerate((EC, *KEYS))}
    odd = [whole[0][:at] for at in (0, 20, 36, 37, 40, 55, 60, 80)] + [whole[0] + b"\0", b"\xff" * 100]
    for client in (said, b"[" * 5_000, b"[]", b"\xff", said[:-1]):
        for authenticator in [*whole.values(), *odd]:
            attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": authenticator})
            for attestation in (attested, attested[:-1], attested[:9], b"\x9f", b"\x81" * 3_000, b""):
                yield json.dumps(
                    {
                        "id": text(ID),
                        "rawId": text(ID),
                        "type": "public-key",
                        "response": {
                            "clientDataJSON": text(client),
                            "attestationObject": text(attestation),
                            "authenticatorData": text(authenticator),
                            "signature": text(bytes(70)),
                        },
                    }
                )
                if what == "get":
                    break


@pytest.fixture
def user(sign_in: SignIn) -> User:
    sign_in("viewer")
    return User.objects.get(username="the-viewer")


@pytest.mark.slow
def test_no_answer_is_kept_as_a_passkey_but_the_genuine_one(user: User, settings: Settings) -> None:
    session, kept, refused = SessionStore(), list[bytes](), 0
    options = json.loads(passkeys.options_to_create(session, user))
    state = dict(session.items())
    for answer in answers(options["publicKey"]["challenge"], settings.PUBLIC_URL, "create"):
        session.update(state)  # as if the challenge were never used
        with transaction.atomic():
            try:
                kept.append(passkeys.create(session, user, answer, name="mine", now=clock.now()).credential)
            except SignatureInvalid:
                refused += 1
            transaction.set_rollback(True)
    assert {type(AttestedCredentialData(bytes(one)).public_key) for one in kept} == {ES256}
    assert (len(kept) > 0, refused > 400) == (True, True)


def test_no_answer_signs_in_and_none_is_a_fault(user: User, settings: Settings) -> None:
    with rights_seal.changing(user):
        key = AttestedCredentialData.create(bytes(16), ID, EC)  # type: ignore[arg-type]
        fields = {"credential_id": ID, "credential": bytes(key), "sign_count": 0, "created_at": clock.now()}
        Passkey.objects.create(user=user, name="mine", **fields)
    session = SessionStore()
    options = json.loads(passkeys.options_to_use(session, user))
    state, tried = dict(session.items()), 0
    for answer in answers(options["publicKey"]["challenge"], settings.PUBLIC_URL, "get"):
        session.update(state)
        assert not passkeys.accepts(session, user, answer, clock.now()), answer
        tried += 1
    assert tried > 80


def test_both_pages_say_that_it_was_not_accepted(sign_in: SignIn, user: User) -> None:
    deep = "[" * 100_000
    client = Client()
    client.force_login(user)
    client.get(PAGE)
    answer = client.post(PAGE, {"do": "add-passkey", "passkey": deep}, follow=True)
    assert (answer.status_code, "was not accepted" in answer.content.decode()) == (200, True)
    recovery_codes.renew(user)
    client = Client()
    client.post("/admin/login/", {"username": "the-viewer", "password": "a long enough password"})
    client.get(CHECK)
    answer = client.post(CHECK, {"passkey": deep})
    assert (answer.status_code, "not accepted" in answer.content.decode()) == (200, True)
