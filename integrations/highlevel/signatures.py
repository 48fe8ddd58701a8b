"""Webhook signatures: Ed25519 over the raw body, and legacy RSA while the vendor sends it and the operator enables it.

Verification uses the raw bytes only, because a body that is parsed and serialized again differs (the official Node
sample verifies that one). When the Ed25519 header is present, it alone decides, so a forger cannot fall back to the
weaker key.

Keys are a list: the vendor announces rotations by e-mail, and both keys are valid meanwhile (FACTS section 3.1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from integrations.core.errors import BadRequest, SignatureInvalid

ED25519_HEADER = "x-ghl-signature"
RSA_HEADER = "x-wh-signature"
PublicKey = Ed25519PublicKey | RSAPublicKey
UNSIGNED = "N/A"
LONGEST_SIGNATURE = 2048  # characters; RSA-4096 takes 684

PUBLISHED_ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=
-----END PUBLIC KEY-----
"""
PUBLISHED_RSA = """-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSC
Frm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4XHIcBOK4u3cLSqJGOLaPuXw6
dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfB
csedpinheNnyYeFXolrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpv
uxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQGNHOs8gF
3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKU
J062fRtN+rLYZUV+BjafxQauvC8wSWeYja63VSUruvmNj8xkx2zE/Juc+yjLjTXp
IocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzN
h/AMfHKIjE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhC
HULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU53lDza6/Y09T7sYJ
PQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAyk
T1hhTiaCeIY/OwwwNUY2yvcCAwEAAQ==
-----END PUBLIC KEY-----
"""


@dataclass(frozen=True, slots=True)
class WebhookKeys:
    """The public keys whose signatures are accepted. Empty `rsa`: the legacy header is ignored."""

    ed25519: tuple[Ed25519PublicKey, ...]
    rsa: tuple[RSAPublicKey, ...] = ()


def load_keys(pems: Iterable[str], legacy: bool) -> WebhookKeys:
    """Load PEM public keys of both kinds; each text may hold several. A kind without any key gets the published key.

    RSA keys count only with `legacy`. Raises BadRequest that says which text is not a key.
    """
    keys = [_key(pem, number) for number, pem in enumerate(_split(pems), start=1)]
    published = [_key(PUBLISHED_ED25519, 0), _key(PUBLISHED_RSA, 0)]
    ed25519 = _ed25519(keys) or _ed25519(published)
    rsa = _rsa(keys) or _rsa(published)
    return WebhookKeys(ed25519, rsa if legacy else ())


def verify_webhook(raw: bytes, headers: Mapping[str, str], keys: WebhookKeys) -> None:
    """Returns if a trusted key signed exactly these bytes; raises SignatureInvalid otherwise."""
    modern, legacy = _header(headers, ED25519_HEADER), _header(headers, RSA_HEADER)
    if modern is not None:
        signature = _decoded(modern)
        if any(_signed_ed25519(key, signature, raw) for key in keys.ed25519):
            return
    elif legacy is not None and keys.rsa:
        signature = _decoded(legacy)
        if any(_signed_rsa(key, signature, raw) for key in keys.rsa):
            return
    else:
        raise SignatureInvalid("the webhook has no signature that is accepted", reason="missing")
    raise SignatureInvalid("no trusted key signed this webhook", reason="wrong")


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """The header, found in any case; None when it is missing or says that the body is unsigned."""
    value = next((v for k, v in headers.items() if k.lower() == name), "").strip()
    return None if value in ("", UNSIGNED) else value


def _decoded(text: str) -> bytes:
    try:
        if len(text) <= LONGEST_SIGNATURE:
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise SignatureInvalid("the webhook's signature is not base64", reason="malformed")


def _signed_ed25519(key: Ed25519PublicKey, signature: bytes, raw: bytes) -> bool:
    try:
        key.verify(signature, raw)
    except InvalidSignature:
        return False
    return True


def _signed_rsa(key: RSAPublicKey, signature: bytes, raw: bytes) -> bool:
    try:
        key.verify(signature, raw, PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _split(pems: Iterable[str]) -> Iterable[str]:
    """One PEM block per item; environment variables often carry line breaks as the two characters \\n."""
    end = "-----END PUBLIC KEY-----"
    for text in pems:
        blocks = text.replace("\\n", "\n").split(end)
        yield from (block.strip() + "\n" + end + "\n" for block in blocks[:-1])
        if blocks[-1].strip():
            yield blocks[-1]


def _key(pem: str, number: int) -> PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey | RSAPublicKey):
        return key
    raise BadRequest(f"webhook key {number} is not a PEM public key of kind Ed25519 or RSA", number=number)


def _ed25519(keys: list[PublicKey]) -> tuple[Ed25519PublicKey, ...]:
    return tuple(key for key in keys if isinstance(key, Ed25519PublicKey))


def _rsa(keys: list[PublicKey]) -> tuple[RSAPublicKey, ...]:
    return tuple(key for key in keys if isinstance(key, RSAPublicKey))
