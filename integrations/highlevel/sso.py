"""Page SSO: decryption of the encrypted user data that HighLevel's parent frame passes to an embedded page.

The format is CryptoJS's passphrase AES (FACTS section 5): base64 of "Salted__", 8 bytes of salt and AES-256-CBC, with
key and IV derived by one round of MD5. It has no signature, no nonce and no expiry, so it proves little on its own:
callers check the ids against their own installations and keep the session short. Every failure raises the same error,
because an error that distinguishes bad padding from bad JSON would turn the endpoint into a decryption oracle.

Without a signature, an attacker with a genuine payload can remove and splice CBC blocks and flip bits in them. Each
splice corrupts one block of 16 bytes. That passes inside a text that the user controls, such as the name. An agency's
user whose name ends like another company's id could so append a second `companyId`, in some 300,000 attempts. So each
JSON name may occur only once, and an id must have the form of one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from integrations.core.errors import BadRequest, SignatureInvalid
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive

LONGEST_PAYLOAD = 16 * 1024  # characters; real ones stay below one thousand
_MAGIC = b"Salted__"
_KEY_BYTES, _IV_BYTES = 32, 16
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class SsoUser:
    """The user as HighLevel describes them. `role` is admin or user, `type` agency or location.

    `active_location` is set inside a location, also for agency users (then `type` stays agency).
    """

    user_id: str
    company_id: str
    role: str | None = None
    type: str | None = None
    active_location: str | None = None
    user_name: str | None = None
    email: str | None = None
    is_agency_owner: bool | None = None
    version_id: str | None = None
    app_status: str | None = None
    whitelabel_domain: str | None = None
    whitelabel_logo_url: str | None = None


def decrypt(payload: str, shared_secret: Secret) -> SsoUser:
    """Decrypt the payload with the app's shared secret. Raises SignatureInvalid, always with the same message."""
    if not shared_secret:
        raise BadRequest("the app has no shared secret: generate one in the developer portal and configure it")
    try:
        with sensitive():
            opened = Secret(_opened(payload, shared_secret.reveal().encode()).decode())
            return _user(json.loads(opened.reveal(), object_pairs_hook=_reject_duplicate_names))
    except (ValueError, TypeError, RecursionError):
        pass
    raise SignatureInvalid("the user data cannot be decrypted with this app's shared secret")


def salt_of(payload: str) -> bytes:
    """The 8 random bytes of a payload that `decrypt` accepted. The key depends on them, so each payload has its own."""
    return base64.b64decode(payload, validate=True)[8:16]


def _opened(payload: str, passphrase: bytes) -> bytes:
    if len(payload) > LONGEST_PAYLOAD:
        raise ValueError
    sealed = base64.b64decode(payload, validate=True)
    salt, ciphertext = sealed[8:16], sealed[16:]
    if not sealed.startswith(_MAGIC) or not ciphertext:
        raise ValueError
    key, iv = _key_and_iv(passphrase, salt)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _key_and_iv(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """OpenSSL's EVP_BytesToKey, as CryptoJS implements it. The vendor's format requires MD5."""
    derived = block = b""
    while len(derived) < _KEY_BYTES + _IV_BYTES:
        block = hashlib.md5(block + passphrase + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:_KEY_BYTES], derived[_KEY_BYTES : _KEY_BYTES + _IV_BYTES]


def _user(body: Any) -> SsoUser:
    if not isinstance(body, dict):
        raise TypeError
    user_id, company_id = _id(body, "userId"), _id(body, "companyId")
    if user_id is None or company_id is None:
        raise ValueError
    branding = body.get("whitelabelDetails")
    branding = branding if isinstance(branding, dict) else {}
    owner = body.get("isAgencyOwner")
    return SsoUser(
        user_id=user_id,
        company_id=company_id,
        role=_text(body, "role"),
        type=_text(body, "type"),
        active_location=_id(body, "activeLocation"),
        user_name=_text(body, "userName"),
        email=_text(body, "email"),
        is_agency_owner=owner if isinstance(owner, bool) else None,
        version_id=_text(body, "versionId"),
        app_status=_text(body, "appStatus"),
        whitelabel_domain=_text(branding, "domain"),
        whitelabel_logo_url=_text(branding, "logoUrl"),
    )


def _reject_duplicate_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError
    return body


def _id(body: Mapping[str, Any], name: str) -> str | None:
    text = _text(body, name)
    if text is not None and not _ID.fullmatch(text):
        raise ValueError
    return text


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None
