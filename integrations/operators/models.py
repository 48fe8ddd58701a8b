"""Models of operators."""

from __future__ import annotations

from django.conf import settings
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
    started_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "session"

    def __str__(self) -> str:
        return f"session of {self.user} from {self.address}"
