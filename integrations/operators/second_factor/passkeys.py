"""Passkeys: WebAuthn, by Yubico's library `fido2`. No other module imports it.

The challenge is in the session and is taken out before the answer is looked at, so each is used once. The library
checks origin, challenge, relying party and signature. The relying party is the host of PUBLIC_URL.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import salted_hmac
from fido2.cose import UnsupportedKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from integrations.core.errors import BadRequest, SignatureInvalid
from integrations.operators.models import Passkey
from integrations.operators.rights import rights_seal

MOST = 10  # of one operator
_CREATING, _USING = "operators.passkey.create", "operators.passkey.get"
# What JSON, CBOR and the library raise for answers that no browser gives, such as bytes that end too early.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, struct.error, UnsupportedAlgorithm)
_REFUSED = "the passkey was not accepted: try again, or use another way"


def options_to_create(session: SessionBase, user: User) -> str:
    """What the browser needs to make a passkey, as JSON."""
    handle = salted_hmac("integrations.operators.passkeys", str(user.pk), algorithm="sha256").digest()
    name = user.get_username()
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=handle, name=name, display_name=name),
        credentials=_credentials(user),
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    session[_CREATING] = state
    return json.dumps(dict(options))


def create(session: SessionBase, user: User, answer: str, *, name: str, now: datetime) -> Passkey:
    """Keep the passkey that the browser made. Raises SignatureInvalid and BadRequest."""
    state = session.pop(_CREATING, None)
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise BadRequest(f"an operator has at most {MOST} passkeys: remove one first")
    try:
        found = _server().register_complete(_expected(state), RegistrationResponse.from_dict(_parsed(answer)))
        credential = found.credential_data
        if credential is None or isinstance(credential.public_key, UnsupportedKey):
            raise ValueError("a key that the library cannot use")
    except _MALFORMED as error:
        raise SignatureInvalid(_REFUSED, reason=str(error)[:100]) from None
    if Passkey.objects.filter(credential_id=credential.credential_id).exists():
        raise BadRequest("this passkey is registered already")
    with rights_seal.changing(user):
        return Passkey.objects.create(
            user=user,
            name=name.strip()[:60] or "passkey",
            credential_id=credential.credential_id,
            credential=bytes(credential),
            sign_count=found.counter,
            created_at=now,
        )


def options_to_use(session: SessionBase, user: User) -> str:
    """What the browser needs to prove one of the operator's passkeys, as JSON."""
    options, state = _server().authenticate_begin(
        _credentials(user), user_verification=UserVerificationRequirement.PREFERRED
    )
    session[_USING] = state
    return json.dumps(dict(options))


def accepts(session: SessionBase, user: User, answer: str, now: datetime) -> bool:
    """Whether the answer proves one of the operator's passkeys. A counter that runs back means a copied key: False."""
    state = session.pop(_USING, None)
    try:
        response = AuthenticationResponse.from_dict(_parsed(answer))
        used = _server().authenticate_complete(_expected(state), _credentials(user), response)
    except _MALFORMED:
        return False
    counter = response.response.authenticator_data.counter
    rows = Passkey.objects.filter(user=user, credential_id=used.credential_id)
    if counter:  # most passkeys do not count
        rows = rows.filter(sign_count__lt=counter)
    return bool(rows.update(sign_count=counter, used_at=now))


def _credentials(user: User) -> list[AttestedCredentialData]:
    rows = Passkey.objects.filter(user=user).values_list("credential", flat=True)
    return [AttestedCredentialData(bytes(row)) for row in rows]


def _server() -> Fido2Server:
    host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0].partition(":")[0]
    party = PublicKeyCredentialRpEntity(id=host, name=host)
    return Fido2Server(party, verify_origin=lambda origin: origin == settings.PUBLIC_URL)


def _expected(state: Any) -> Any:
    if state is None:
        raise ValueError("no challenge was given out, or it was used")
    return state


def _parsed(answer: str) -> Mapping[str, Any]:
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for all malformed answers
    return found
