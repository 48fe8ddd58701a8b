"""Webhook signatures: what is accepted, and every way in which it must not be."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from integrations.core import errors
from integrations.highlevel import signatures

RAW = b'{"type":"INSTALL","webhookId":"w-1",  "spaced": 1}'
MODERN, OTHER = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
LEGACY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def ed_header(key=MODERN, raw: bytes = RAW) -> str:
    return base64.b64encode(key.sign(raw)).decode()


def rsa_header(raw: bytes = RAW) -> str:
    return base64.b64encode(LEGACY.sign(raw, PKCS1v15(), hashes.SHA256())).decode()


STRICT = signatures.load_keys([pem(MODERN)], False)
LENIENT = signatures.load_keys([pem(MODERN), pem(LEGACY)], True)


@pytest.mark.parametrize(
    ("published", "digest"),
    [
        (signatures.PUBLISHED_ED25519, None),
        (signatures.PUBLISHED_RSA, "2f62045d413b1b7747e26770ce7f57840cbf86288cd20ceb90d299a62501fd25"),
    ],
)
def test_the_published_keys_are_the_ones_on_record(published, digest):
    """Two public repositories carry corrupted copies, so the exact bytes are held to their hash."""
    key = load_pem_public_key(published.encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if digest is None:
        found = hashlib.sha256(der).hexdigest()
        assert (found[:8], found[-6:]) == ("5a2c1b27", "d3097c")
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        assert raw == "8b61d1d6cacbe28d7c3bc0516bb815258ec6edbba96cddc7f40c09ac708388e8"
    else:
        assert hashlib.sha256(der).hexdigest() == digest
        assert key.key_size == 4096


def accepts(headers, keys=STRICT) -> bool:
    try:
        signatures.verify_webhook(RAW, headers, keys)
    except errors.SignatureInvalid:
        return False
    return True


@pytest.mark.parametrize("name", ["X-GHL-Signature", "x-ghl-signature", "X-Ghl-Signature"])
def test_the_exact_bytes_signed_by_a_known_key_pass(name):
    assert accepts({name: ed_header()})


def test_any_key_of_the_list_will_do():
    keys = signatures.load_keys([pem(OTHER), pem(MODERN)], False)
    assert accepts({"X-GHL-Signature": ed_header(MODERN)}, keys)
    assert accepts({"X-GHL-Signature": ed_header(OTHER)}, keys)


def test_the_legacy_header_counts_when_it_is_switched_on():
    assert accepts({"X-WH-Signature": rsa_header()}, LENIENT)
    assert accepts({"X-GHL-Signature": "N/A", "X-WH-Signature": rsa_header()}, LENIENT)


REFUSED = {
    "no header": {},
    "empty": {"X-GHL-Signature": ""},
    "unsigned": {"X-GHL-Signature": "N/A"},
    "both unsigned": {"X-GHL-Signature": "N/A", "X-WH-Signature": "N/A"},
    "not base64": {"X-GHL-Signature": "***"},
    "not ascii": {"X-GHL-Signature": "ä"},
    "urlsafe base64": {"X-GHL-Signature": "-_" * 43},
    "short": {"X-GHL-Signature": base64.b64encode(b"x").decode()},
    "huge": {"X-GHL-Signature": "A" * 100_000},
    "other key": {"X-GHL-Signature": ed_header(OTHER)},
    "other bytes": {"X-GHL-Signature": ed_header(raw=RAW + b" ")},
    "two values": {"X-GHL-Signature": ed_header() + "," + ed_header()},
    "legacy of other bytes": {"X-WH-Signature": rsa_header(b"{}")},
    "modern in the legacy header": {"X-WH-Signature": ed_header()},
    "legacy cannot rescue modern": {"X-GHL-Signature": ed_header(OTHER), "X-WH-Signature": rsa_header()},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("keys", [STRICT, LENIENT], ids=["strict", "legacy on"])
def test_what_nobody_signed_is_refused(headers, keys):
    with pytest.raises(errors.SignatureInvalid):
        signatures.verify_webhook(RAW, headers, keys)


def test_the_legacy_header_counts_for_nothing_by_default():
    with pytest.raises(errors.SignatureInvalid) as caught:
        signatures.verify_webhook(RAW, {"X-WH-Signature": rsa_header()}, STRICT)
    assert caught.value.context["reason"] == "missing"
    assert signatures.load_keys([pem(MODERN), pem(LEGACY)], False).rsa == ()


def test_no_keys_means_the_published_ones():
    ours = signatures.load_keys([], True)
    assert [key.public_bytes_raw().hex()[:8] for key in ours.ed25519] == ["8b61d1d6"]
    assert [key.key_size for key in ours.rsa] == [4096]
    assert signatures.load_keys([], False).rsa == ()


def test_given_keys_replace_the_published_one():
    assert signatures.load_keys([pem(MODERN)], False).ed25519 == (MODERN.public_key(),)


def test_one_text_may_hold_several_keys_and_escaped_line_breaks():
    keys = signatures.load_keys([(pem(MODERN) + pem(OTHER)).replace("\n", "\\n")], False)
    assert keys.ed25519 == (MODERN.public_key(), OTHER.public_key())


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["prose", "broken", "elliptic curve"],
)
def test_a_text_that_is_no_key_is_named(text):
    with pytest.raises(errors.BadRequest, match="webhook key 2 "):
        signatures.load_keys([pem(MODERN), text], False)
