"""Authenticator apps: time-based codes of RFC 6238, by the TOTP of the library `cryptography`.

The secret is sealed by the vault. A code is six digits of a step of 30 seconds, SHA-1, which is what all apps do; the
steps before and after are accepted too, for clocks that differ. Each step works once: the UPDATE that accepts it names
the step that it replaces.
"""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from contextlib import nullcontext
from datetime import datetime

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.crypto import constant_time_compare

from integrations.core import audit
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.operators.models import TotpSecret
from integrations.operators.rights import rights_seal
from integrations.operators.rights.ways_in import totp_binding
from integrations.vault import columns, forget
from integrations.vault.seal import seal, unseal

STEP = 30  # seconds
_DIGITS = 6
_BYTES = 20  # as RFC 4226 wants
_WINDOW = (0, -1, 1)  # steps, the likeliest first
_BATCH = 100


def begin(user: User, now: datetime) -> TotpSecret:
    """A new secret that is not confirmed yet, in place of an older one that is not."""
    TotpSecret.objects.filter(user=user, confirmed_at=None).delete()
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode()
    row = TotpSecret(user=user, created_at=now)
    row.secret_sealed = seal(Secret(text), totp_binding(row))
    row.save()
    return row


def secret(row: TotpSecret) -> Secret:
    """The secret in base32, for the page that enrols it. Raises SealBroken."""
    return unseal(row.secret_sealed, totp_binding(row))


def qr_code(row: TotpSecret) -> Secret:
    """The QR code that an app reads, as a `data:` URL of an image. It contains the secret."""
    with sensitive():
        name = settings.PUBLIC_URL.partition("://")[2]
        uri = _totp(secret(row)).get_provisioning_uri(str(row.user), name)
        return Secret(segno.make(uri, error="m").svg_data_uri(scale=5, border=3, light="#fff"))


def accepts(row: TotpSecret, code: str, now: datetime) -> bool:
    """Whether the code is right and was not used before. It is used up then."""
    digits = "".join(code.split())
    if len(digits) != _DIGITS or not digits.isascii() or not digits.isdigit():
        return False
    current = int(now.timestamp()) // STEP
    for step in (current + shift for shift in _WINDOW):
        with sensitive():
            expected = _totp(secret(row)).generate(step * STEP).decode()
        if constant_time_compare(expected, digits):
            return bool(TotpSecret.objects.filter(pk=row.pk, last_step__lt=step).update(last_step=step))
    return False


class LostTotpSecrets:
    """`vault.forget.LostKeyHandler`: operators whose secret is lost use a passkey or a recovery code, or are reset."""

    label = "operators.TotpSecret"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete up to 100 secrets that this key sealed."""
        counts: Counter[str] = Counter()
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(TotpSecret, key_id).select_for_update(skip_locked=True).order_by("pk")
            for row in rows[:_BATCH]:
                user = User.objects.get(pk=row.user_id)
                # An account that does not fit stays refused, with or without the row.
                with rights_seal.changing(user) if rights_seal.fits(user) else nullcontext():
                    row.delete()
                audit.record("second_factor.key_lost", actor=actor, subject=f"user:{user}"[:200], key_id=key_id)
                counts["removed"] += 1
        return counts


def register() -> None:
    """Register the sealed column and its lost-key handler with the vault. Called once at start-up."""
    columns.register(columns.SealedColumn(TotpSecret, "secret_sealed", ("user_id", "created_at"), totp_binding))
    forget.register(LostTotpSecrets())


def _totp(secret: Secret) -> TOTP:
    return TOTP(base64.b32decode(secret.reveal()), _DIGITS, SHA1(), STEP)  # noqa: S303 - what the apps do
