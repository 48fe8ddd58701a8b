"""The sandbox's webhook key: Ed25519, derived from the seed, so that an app configured once keeps trusting restarts.

It stands for the vendor's platform-wide key; the app gets its public half in `HIGHLEVEL_WEBHOOK_KEYS`.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HEADER = "X-GHL-Signature"


def private_key(seed: int) -> Ed25519PrivateKey:
    """The Ed25519 key of this seed."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"sandbox webhooks {seed}".encode()).digest())


def public_key_pem(seed: int) -> str:
    """The public key as PEM, for `HIGHLEVEL_WEBHOOK_KEYS`."""
    public = private_key(seed).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature(key: Ed25519PrivateKey, body: bytes) -> str:
    """Base64 over the raw body, as the vendor's `X-GHL-Signature` carries it."""
    return base64.b64encode(key.sign(body)).decode()
