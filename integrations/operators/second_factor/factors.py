"""The factors of one operator together: which there are, and their removal by a reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists
from django.db.models.expressions import Combinable

from integrations.core import audit
from integrations.operators import sessions
from integrations.operators.models import Passkey, RecoveryCode, TotpSecret
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import recovery_codes


@dataclass(frozen=True, slots=True)
class Factors:
    """What an operator can prove besides the password. `codes` is the number of recovery codes left."""

    totp: TotpSecret | None
    passkeys: list[Passkey]
    codes: int

    @property
    def any(self) -> bool:
        """Whether there is one that the sign-in has to ask for.

        Recovery codes count, so that a factor whose key is lost leaves no account with a password alone.
        """
        return bool(self.totp or self.passkeys or self.codes)

    @property
    def lasting(self) -> bool:
        """Whether there is one that is not used up."""
        return bool(self.totp or self.passkeys)


def of(user: User) -> Factors:
    """The factors of an operator; an authenticator app that is not confirmed is none."""
    return Factors(
        totp=TotpSecret.objects.filter(user=user, confirmed_at__isnull=False).first(),
        passkeys=list(Passkey.objects.filter(user=user).order_by("created_at")),
        codes=recovery_codes.left(user),
    )


def exist(user: Any) -> Combinable:
    """Condition for queries of accounts: whether `Factors.any`. `user` is a reference to the account's key."""
    confirmed = Exists(TotpSecret.objects.filter(user=user, confirmed_at__isnull=False))
    return confirmed | Exists(Passkey.objects.filter(user=user)) | Exists(RecoveryCode.objects.filter(user=user))


def reset(user: User) -> None:
    """Remove all factors of an operator and end the sessions. The next sign-in needs the password alone."""
    with transaction.atomic():
        audit.lock()
        for model in (TotpSecret, Passkey, RecoveryCode):
            model._default_manager.filter(user=user).delete()  # noqa: SLF001 - documented by Django
        rights_seal.without_factors(user)
        sessions.end_all(user)
