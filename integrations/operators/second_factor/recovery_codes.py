"""Recovery codes: ten, shown once, each works once. They are for an operator who has lost the other factors."""

from __future__ import annotations

import base64
import secrets

from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac

from integrations.core.secret import Secret
from integrations.operators.models import RecoveryCode
from integrations.operators.rights import rights_seal

NUMBER = 10
_BYTES = 10  # 80 bits, 16 letters: no attacker guesses one, so a MAC keeps it well enough
_SALT = "integrations.operators.second_factor.recovery_codes"


def renew(user: User) -> list[Secret]:
    """New codes in place of all older ones. They are shown now and never again."""
    texts = [base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower() for _ in range(NUMBER)]
    with rights_seal.changing(user):
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, mac=_mac(user, text)) for text in texts)
    return [Secret("-".join(text[start : start + 4] for start in range(0, len(text), 4))) for text in texts]


def accepts(user: User, code: str) -> bool:
    """Whether it is one of the operator's codes. It is used up then.

    Raises BadRequest as `rights_seal.changing` does.
    """
    rows = RecoveryCode.objects.filter(user=user, mac=_mac(user, code))
    if not rows.exists():
        return False
    with rights_seal.changing(user):
        deleted, _ = rows.delete()
    return bool(deleted)


def left(user: User) -> int:
    """How many codes are left."""
    return RecoveryCode.objects.filter(user=user).count()


def _mac(user: User, code: str) -> str:
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return salted_hmac(_SALT, f"{user.pk}:{letters}", algorithm="sha256").hexdigest()
