"""JWTs in the vendor's form: RS256 header, the documented payload, a signature of 2048 bits.

The signature is random, which makes each token unique. The sandbox verifies none: it looks up whole tokens.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

SIGNATURE_BYTES = 256
_HEADER = {"alg": "RS256", "typ": "JWT"}


def token(payload: dict[str, Any]) -> str:
    """A JWT with these claims and a random signature."""
    return ".".join((_part(_HEADER), _part(payload), _encode(secrets.token_bytes(SIGNATURE_BYTES))))


def looks_like_one(text: str) -> bool:
    """Whether `text` has the form of a JWT; nothing is verified."""
    return text.startswith("eyJ") and text.count(".") == 2


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
