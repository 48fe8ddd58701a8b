"""Models of operators: sessions, second factors, sign-in back-off, links to an identity provider, seals of rights."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F
from django.db.models.functions import Greatest


class Access(models.Model):
    """Permissions that belong to no table. It has no rows and no table itself."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_personal_data", "May see names, e-mails, phones and bodies unmasked"),
            ("view_metrics", "May read the metrics"),
            ("reset_second_factor", "May reset the second factor of others"),
        ]

    def __str__(self) -> str:
        return "access"


class SignInAttemptsQuerySet(models.QuerySet["SignInAttempts"]):
    """Rows of `SignInAttempts`."""

    def give_back(self) -> int:
        """Take back one counted attempt, which succeeded."""
        return self.update(failures=Greatest(F("failures") - 1, 0), blocked_until=None)


class SignInAttempts(models.Model):
    """Failed sign-ins in a row of one account, address or browser (`operators.sign_in.back_off`)."""

    key = models.CharField(max_length=80, primary_key=True)
    failures = models.PositiveIntegerField()
    last_at = models.DateTimeField(db_index=True)
    blocked_until = models.DateTimeField(null=True, blank=True)

    objects = SignInAttemptsQuerySet.as_manager()

    def __str__(self) -> str:
        return self.key


class OperatorSession(AbstractBaseSession):
    """One session (`operators.sessions`); `user` is empty before the sign-in and for visitors of the install pages."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    started_at = models.DateTimeField("signed in", null=True)
    address = models.CharField(max_length=64, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "session"

    def __str__(self) -> str:
        return f"session of {self.user} from {self.address}"


class TotpSecret(models.Model):
    """The authenticator app of one operator. It counts as a factor once it is confirmed."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    secret_sealed = models.BinaryField()
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0, help_text="the time step of the last code, so that none works twice")

    def __str__(self) -> str:
        return f"authenticator app of {self.user}"


class Passkey(models.Model):
    """One passkey of an operator. Its public key is no secret."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(unique=True)
    credential = models.BinaryField(help_text="the attested credential data of WebAuthn: id and public key")
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"passkey {self.name} of {self.user}"


class RecoveryCode(models.Model):
    """One recovery code, which works once. Kept is a MAC of it under SECRET_KEY."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    mac = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "mac"], name="each_recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code of {self.user}"


class RightsSeal(models.Model):
    """The rights that an account was given here, sealed (`operators.rights.rights_seal`)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="rights_seal"
    )
    permissions = ArrayField(models.CharField(max_length=200), help_text="its own and those of its groups")
    factors = models.CharField(max_length=64, default="", db_default="", help_text="digest of the second factors")
    identity = models.CharField(max_length=64, default="", db_default="", help_text="digest of the link to a provider")
    number = models.PositiveBigIntegerField(default=0, db_default=0, help_text="of the audit entry of this seal")
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"rights of {self.user}"


class OpenIdIdentity(models.Model):
    """The account of the identity provider that an operator signs in with."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_operator_per_identity")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
