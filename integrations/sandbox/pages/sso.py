"""Page SSO: encryption of the user context for an app's page, as `CryptoJS.AES.encrypt(json, secret)` does it.

base64("Salted__" + 8 bytes of salt + AES-256-CBC with PKCS7), key and IV by OpenSSL's EVP_BytesToKey with one round of
MD5. It has no MAC, no nonce and no expiry.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from integrations.sandbox.data.records import User
from integrations.sandbox.data.world import Location
from integrations.sandbox.oauth.marketplace import MarketplaceApp

_MARK = b"Salted__"
_KEY, _BLOCK = 32, 16


def context(app: MarketplaceApp, user: User, location: Location | None) -> dict[str, Any]:
    """The user's context; `activeLocation` is there in a location only, also for an agency's user inside one."""
    body: dict[str, Any] = {
        "userId": user.id,
        "companyId": user.company_id,
        "role": user.role,
        "type": "agency" if user.type == "agency" else "location",
        "userName": f"{user.first_name} {user.last_name}",
        "email": user.email,
        "isAgencyOwner": user.type == "agency",
        "versionId": app.version_id,
        "appStatus": "live",
        "whitelabelDetails": {"domain": "", "logoUrl": ""},
    }
    return body if location is None else {**body, "activeLocation": location.id}


def encrypted(body: dict[str, Any], shared_secret: str, salt: bytes | None = None) -> str:
    """The user context as HighLevel encrypts it for the app's page."""
    salt = secrets.token_bytes(8) if salt is None else salt
    key, iv = _key_and_iv(shared_secret.encode(), salt)
    padder = PKCS7(_BLOCK * 8).padder()
    plain = padder.update(json.dumps(body, separators=(",", ":")).encode()) + padder.finalize()
    cipher = Cipher(AES256(key), CBC(iv)).encryptor()
    return base64.b64encode(_MARK + salt + cipher.update(plain) + cipher.finalize()).decode()


def _key_and_iv(password: bytes, salt: bytes) -> tuple[bytes, bytes]:
    derived = block = b""
    while len(derived) < _KEY + _BLOCK:
        block = hashlib.md5(block + password + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:_KEY], derived[_KEY : _KEY + _BLOCK]
