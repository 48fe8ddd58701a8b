"""Digests of what an operator signs in with besides the password: second factors, and the link to an identity provider.

`rights_seal` seals both with the rights of the account. They cover what decides: which authenticator app is confirmed,
the passkeys with their public keys, the recovery codes that are left, and issuer and subject at the provider. They do
not cover what every use changes, which are the last step of an app and the counter of a passkey.

An app's secret is not in the digest, but its moment is, and the vault binds the secret to account and moment
(`totp_binding`). So an earlier secret of the same account does not open either.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from integrations.operators.models import OpenIdIdentity, Passkey, RecoveryCode, TotpSecret
from integrations.vault.seal import Binding


def totp_binding(row: TotpSecret) -> Binding:
    """What the secret of an authenticator app is sealed for. It reads `user_id` and `created_at`."""
    return Binding(owner=("operator", str(row.user_id)), field="totp", generation=_microseconds(row.created_at))


def factors(user_id: int) -> str:
    """The digest of the second factors that the database has for the account, SHA-256 in hexadecimal."""
    apps = TotpSecret.objects.filter(user_id=user_id, confirmed_at__isnull=False).values_list("created_at", flat=True)
    keys = Passkey.objects.filter(user_id=user_id).values_list("credential_id", "credential")
    codes = RecoveryCode.objects.filter(user_id=user_id).values_list("mac", flat=True)
    known = sorted([bytes(key).hex(), bytes(credential).hex()] for key, credential in keys)
    return _digest([[_microseconds(made) for made in apps], known, sorted(codes)])


def identity(user_id: int) -> str:
    """The digest of the account's link to an identity provider in the database, SHA-256 in hexadecimal."""
    return _digest(
        [list(row) for row in OpenIdIdentity.objects.filter(user_id=user_id).values_list("issuer", "subject")]
    )


def _microseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1_000_000)


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


NO_FACTORS, NO_IDENTITY = _digest([[], [], []]), _digest([])
