"""Models of what is used once: the OAuth `state`, of which only hashes are stored, and the user data of page SSO."""

from __future__ import annotations

from django.db import models

from integrations.core.sql.known_values import known_values
from integrations.core.tenant import UserType
from integrations.tenants.models import App, Installation


class InstallState(models.Model):
    """A state that our install page issued. `digest` is its SHA-256, `browser` that of the cookie it is bound to."""

    digest = models.BinaryField(max_length=32, unique=True)
    browser = models.BinaryField(max_length=32)
    app = models.ForeignKey(App, on_delete=models.CASCADE)
    claimant = models.CharField(max_length=200, blank=True)
    installation = models.ForeignKey(
        Installation,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="of a consent link: the account that is asked",
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    consumed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"install of {self.app} begun {self.created_at:%Y-%m-%d %H:%M}"


class UsedPayload(models.Model):
    """User data of page SSO that opened a session: `salt` is the random part of the encrypted payload."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    salt = models.BinaryField(max_length=8)
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "salt"], name="each_sso_payload_once")]

    def __str__(self) -> str:
        return f"user data of {self.app} used {self.used_at:%Y-%m-%d %H:%M}"


class EmbeddedVisit(models.Model):
    """A person who opened a page inside HighLevel: one row for each tenant, with the first and the latest time."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    level = models.CharField(max_length=8, choices=UserType.choices)
    tenant_id = models.CharField(max_length=64, help_text="the location's or company's id")
    user_id = models.CharField(max_length=64, help_text="HighLevel's id of the user")
    is_admin = models.BooleanField(default=False)
    is_agency = models.BooleanField(default=False, help_text="of the agency, and not of the location alone")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            *known_values(level=UserType.values),
            models.UniqueConstraint(fields=["app", "level", "tenant_id", "user_id"], name="each_embedded_user_once"),
        ]
        indexes = [models.Index(fields=["tenant_id", "-last_at"], name="embedded_users_of_tenant")]

    def __str__(self) -> str:
        return f"user {self.user_id} in {self.level} {self.tenant_id}"
