"""One sealed credential per (app, user type, resource, API). No secret in the clear, no I/O: rows only.

The life of a refresh token is in four columns: `generation` counts the pairs we held; `lease_*` says who may call the
vendor now; `intent_*` says for which generation a call was begun, and is written before the call. A row whose intent
equals its generation while the lease has run out is an orphan: the answer was lost, and the same token may be sent
once more within 30 seconds of `intent_at` (FACTS 1.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models

from integrations.core.tenant import Tenant, UserType
from integrations.tenants.models import App


class Credential(models.Model):
    class Kind(models.TextChoices):
        OAUTH = "oauth", "OAuth (API 2.0)"
        PRIVATE = "private", "private integration token"
        KEY = "key", "API 1.0 key"

    class Api(models.IntegerChoices):
        """Which API it opens: an API 1.0 key may stand beside the same location's OAuth grant."""

        ONE = 1, "API 1.0"
        TWO = 2, "API 2.0 and v3"

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended: location inactive, tokens kept"
        NEEDS_RECONNECT = "needs_reconnect", "needs reconnect"
        REVOKED = "revoked", "revoked: uninstalled, tokens wiped"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="credentials")
    user_type = models.CharField(max_length=8, choices=UserType.choices)
    resource_id = models.CharField(max_length=64)
    api = models.PositiveSmallIntegerField("API", choices=Api.choices, default=Api.TWO)
    company_id = models.CharField(max_length=64, blank=True, help_text="whose company token may mint this one anew")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.OAUTH)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    reason = models.CharField(max_length=300, blank=True)

    generation = models.PositiveBigIntegerField(default=1)
    access_sealed = models.BinaryField(null=True)
    refresh_sealed = models.BinaryField(null=True)
    scopes = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_due_at = models.DateTimeField(null=True, blank=True)

    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    intent_generation = models.PositiveBigIntegerField(null=True, blank=True)
    intent_at = models.DateTimeField(null=True, blank=True)
    rejected_generation = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="the vendor answered 401 to this generation's access token"
    )

    failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    last_error_code = models.CharField(max_length=40, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_trace_id = models.CharField(max_length=100, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField(
        null=True, blank=True, help_text="when an installation, or somebody's hand, last brought what is renewed since"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "user_type", "resource_id", "api"], name="one_credential_per_resource"
            )
        ]
        indexes = [
            models.Index(fields=["refresh_due_at"], name="credential_due"),
            models.Index(fields=["lease_until"], name="credential_lease"),
            models.Index(
                fields=["app", "last_error_code"], name="credential_trouble", condition=~models.Q(last_error_code="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} credential of {self.tenant}"

    @property
    def owner(self) -> tuple[str, ...]:
        """What its sealed values are bound to."""
        own = ("credential", str(self.app_id), self.user_type, self.resource_id)
        return own if self.api == self.Api.TWO else (*own, f"api {self.api}")

    @property
    def tenant(self) -> Tenant:
        """The company or location whose token it is."""
        return Tenant(UserType(self.user_type), self.resource_id)

    @property
    def key(self) -> CredentialKey:
        """The unique key of this row."""
        return CredentialKey(self.app, self.tenant, self.api)

    @property
    def is_minted(self) -> bool:
        """Whether its company's token can give it a new pair."""
        return bool(self.company_id) and self.user_type == UserType.LOCATION and self.kind == self.Kind.OAUTH

    @property
    def scope_set(self) -> frozenset[str]:
        return frozenset(self.scopes.split())


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """The unique key of a credential: an app on one company or location, for one of the vendor's two APIs."""

    app: App
    tenant: Tenant
    api: int = Credential.Api.TWO

    @property
    def columns(self) -> dict[str, Any]:
        """The key as column values, for a filter or a new row."""
        tenant = self.tenant
        return {"app": self.app, "user_type": tenant.user_type, "resource_id": tenant.id, "api": self.api}
