"""The encrypted user data: vectors made by another implementation, and everything that must not open."""

from __future__ import annotations

import base64
import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from integrations.core import errors
from integrations.core.secret import Secret
from integrations.highlevel import sso

SECRET = Secret("vector-shared-secret")
# `openssl enc -aes-256-cbc -md md5 -salt -base64 -pass pass:vector-shared-secret`, the format of CryptoJS.
VECTOR = (
    "U2FsdGVkX1/UAUHoJs8url9Ij8D4N0pR0fdq9xjMPBhFEYw9ZbSwRwONvPczQlRm"
    "0g/rKVZ80kPRI6yoYGo4l9cqNlHtQn2+Mf0FAYFFNzFAu3kHy6xnidwiuwwuxD9I"
    "dGDVzuWoUF/Io8N82gNM7/bXwsqcbZByTYAIApgYzOEZ5xwKDBipoc2WIQ3P806v"
    "k5fRjmcPvystS+hBPFYk6pSiW0edKnhCgjzprS3Yj0kqCVXdcpLJ2KHHPF7c0mnU"
    "YptOY+TBaD5e5M/1u11V5FIHfq9vxTYVZ7Saj3MiWiOR/6zRb/1dsfNMwazioiJA"
    "OucctYbHSVvZenF0hYl3aWovWJJGN7GIqB8kjUpIAkJJe3s8UJwPKgnFhV6UJN1x"
    "QPLvdV25y2pqyzKKAFuOww=="
)


def sealed(plain: bytes, secret: str = "vector-shared-secret", *, pad: bool = True) -> str:
    """CryptoJS.AES.encrypt, written after OpenSSL's EVP_BytesToKey and not after the code under test."""
    salt = os.urandom(8)
    digests = [hashlib.md5(secret.encode() + salt).digest()]
    for _ in range(2):
        digests.append(hashlib.md5(digests[-1] + secret.encode() + salt).digest())
    if pad:
        short = 16 - len(plain) % 16
        plain += bytes([short]) * short
    encryptor = Cipher(algorithms.AES(b"".join(digests[:2])), modes.CBC(digests[2])).encryptor()
    return base64.b64encode(b"Salted__" + salt + encryptor.update(plain) + encryptor.finalize()).decode()


def test_a_payload_made_by_openssl_opens():
    assert sso.decrypt(VECTOR, SECRET) == sso.SsoUser(
        user_id="USER1",
        company_id="COMP1",
        role="admin",
        type="agency",
        active_location="LOC1",
        user_name="Ünï Cöde",
        email="a@example.com",
        is_agency_owner=True,
        version_id="V1",
        app_status="live",
        whitelabel_domain="app.example.com",
        whitelabel_logo_url="https://example.com/l.png",
    )


def test_only_the_two_ids_are_needed():
    user = sso.decrypt(sealed(b'{"userId": "U", "companyId": "C", "role": 5, "whitelabelDetails": []}'), SECRET)
    assert user == sso.SsoUser(user_id="U", company_id="C")


REFUSED = {
    "empty": "",
    "not base64": "%%%",
    "not ascii": "ä" * 24,
    "other magic": base64.b64encode(
        b"Unsalted" + base64.b64decode(sealed(b'{"userId": "U", "companyId": "C"}'))[8:]
    ).decode(),
    "no magic": base64.b64encode(b"Unsalted" + bytes(40)).decode(),
    "magic only": base64.b64encode(b"Salted__").decode(),
    "no ciphertext": base64.b64encode(b"Salted__" + bytes(8)).decode(),
    "half a block": base64.b64encode(b"Salted__" + bytes(8) + bytes(17)).decode(),
    "other secret": sealed(b'{"userId": "U", "companyId": "C"}', "other"),
    "bad padding": sealed(b'{"userId": "U", "companyId": "C"}' + bytes(15), pad=False),
    "not JSON": sealed(b"hello"),
    "not UTF-8": sealed(b"\xff\xfe\xfd"),
    "a list": sealed(b'["userId", "companyId"]'),
    "no user": sealed(b'{"companyId": "C"}'),
    "no company": sealed(b'{"userId": "U", "companyId": ""}'),
    "numbers for ids": sealed(b'{"userId": 1, "companyId": 2}'),
    "a name twice": sealed(b'{"userId": "U", "companyId": "C", "userName": "x", "companyId": "D"}'),
    "a name twice, deeper": sealed(b'{"userId": "U", "companyId": "C", "whitelabelDetails": {"a": 1, "a": 2}}'),
    "noise for a user": sealed('{"userId": "U\u07ff\u0101", "companyId": "C"}'.encode()),
    "noise for a company": sealed(b'{"userId": "U", "companyId": "C D"}'),
    "noise for a location": sealed(b'{"userId": "U", "companyId": "C", "activeLocation": "L/"}'),
    "another encoding": sealed('{"userId": "U", "companyId": "C"}'.encode("utf-16")),
    "deep": sealed(b"[" * 9000),
    "too long": sealed(json.dumps({"userId": "U", "companyId": "C", "x": "y" * sso.LONGEST_PAYLOAD}).encode()),
}


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED.keys())
def test_every_refusal_looks_the_same(payload):
    with pytest.raises(errors.SignatureInvalid) as caught:
        sso.decrypt(payload, SECRET)
    assert str(caught.value) == "the user data cannot be decrypted with this app's shared secret"
    assert caught.value.context == {}
    assert caught.value.__context__ is None


def test_blocks_cut_and_flipped_append_no_other_company(monkeypatch: pytest.MonkeyPatch):
    """Who chooses the user's name knows the text, so flips one block of it into a name of ours; the block before turns
    into noise. Here the noise is what the attacker waits for: text."""
    head = b'{"userId":"USER1","companyId":"MINE","type":"agency","userName":"'
    start = len(head) + -len(head) % 16
    tail = b'THER"}'
    genuine = base64.b64decode(sealed(head.ljust(start, b"p") + b"A" * 16 + b"B" * 16 + tail))
    forged, wanted = bytearray(genuine), b'p","companyId":"'
    for at, (is_, shall) in enumerate(zip(b"B" * 16, wanted, strict=True), start=16 + start):
        forged[at] ^= is_ ^ shall
    opened = sso._opened
    monkeypatch.setattr(
        sso, "_opened", lambda *given: (text := opened(*given))[:start] + b"A" * 16 + text[start + 16 :]
    )
    assert b'p","companyId":"THER"' in sso._opened(base64.b64encode(forged).decode(), SECRET.reveal().encode())
    with pytest.raises(errors.SignatureInvalid):
        sso.decrypt(base64.b64encode(forged).decode(), SECRET)


@pytest.mark.slow
@given(
    st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda b: base64.b64encode(b"Salted__" + b).decode()))
)
def test_arbitrary_input_never_opens_and_never_crashes(payload):
    with pytest.raises(errors.SignatureInvalid):
        sso.decrypt(payload, SECRET)


def test_without_a_secret_nothing_opens():
    """An empty secret is one that anybody can encrypt with."""
    forged = sealed(b'{"userId": "U", "companyId": "C"}', "")
    with pytest.raises(errors.BadRequest):
        sso.decrypt(forged, Secret(""))
