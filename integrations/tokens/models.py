"""The Credential model: one row of sealed tokens per (app, user type, resource id, API), and its state transitions.

The life of a refresh token is in four columns: `generation` counts the pairs so far; `lease_*` says which worker may
call the vendor now; `intent_*` says for which generation a call was begun, and is written before the call. A row whose
intent equals its generation while the lease has run out is an orphan: the answer was lost, and the same token may be
sent once more within 30 seconds of `intent_at` (FACTS 1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db import connection, models

from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType
from integrations.tenants.credential_kinds import Abilities, CredentialApi, CredentialKind, abilities
from integrations.tenants.models import App


class CredentialQuerySet(models.QuerySet["Credential"]):
    """The state transitions of credentials: conditional UPDATEs, each returns how many rows it changed.

    Refreshes claim and release their lease with `tokens.refresh.lease` and `tokens.refresh.record_failure`.
    """

    def of_key(self, key: CredentialKey) -> Self:
        """The one row with this key, if there is one."""
        return self.filter(**key.columns)

    def of_generation(self, credential_id: int, generation: int) -> Self:
        """The row while it has this generation: a writer that read an older pair changes nothing."""
        return self.filter(pk=credential_id, generation=generation)

    def leased_to(self, row: Credential) -> Self:
        """The row while `row`'s owner has the lease of its generation."""
        return self.of_generation(row.pk, row.generation).filter(lease_owner=row.lease_owner)

    def suspended(self) -> Self:
        """Credentials of inactive locations, and those that an operator suspended."""
        return self.filter(state=Credential.State.SUSPENDED)

    def suspend(self, *, reason: str, due_at: datetime | None) -> int:
        """Active to suspended, tokens kept. `due_at` is the next refresh, None for none."""
        active = self.filter(state=Credential.State.ACTIVE)
        return active.update(state=Credential.State.SUSPENDED, reason=_short(reason), refresh_due_at=due_at)

    def activate(self, *, due_at: datetime | None) -> int:
        """Suspended (or active) to active. `due_at` is the next refresh, None for none."""
        usable = self.filter(state__in=(Credential.State.SUSPENDED, Credential.State.ACTIVE))
        return usable.update(state=Credential.State.ACTIVE, reason="", refresh_due_at=due_at)

    def need_reconnect(self, *, reason: str, **columns: Any) -> int:
        """Any state to needs reconnect, with no further refresh; `columns` are set as well."""
        state = Credential.State.NEEDS_RECONNECT
        return self.update(state=state, reason=_short(reason), refresh_due_at=None, **columns)

    def refresh_failed(self, columns: Mapping[str, Any], *, state: str | None, reason: str) -> int:
        """Write what a failed refresh leaves in these columns; with `state`, also that state for this reason."""
        changed = {} if state is None else {"state": state, "reason": _short(reason)}
        return self.update(**columns, **changed)

    def revoke(self, *, reason: str, now: datetime) -> int:
        """Any other state to revoked, without tokens. One generation on, so that no refresh under way saves a pair."""
        return self.exclude(state=Credential.State.REVOKED).update(
            generation=models.F("generation") + 1,
            access_sealed=None,
            refresh_sealed=None,
            state=Credential.State.REVOKED,
            reason=_short(reason),
            refresh_due_at=None,
            lease_owner="",
            lease_until=None,
            refreshed_at=now,
            disconnected_at=None,
        )

    def reactivate(self, *, company_id: str) -> int:
        """Revoked or needs reconnect to active, without tokens: the company's token mints new ones."""
        ended = self.filter(state__in=(Credential.State.REVOKED, Credential.State.NEEDS_RECONNECT))
        return ended.update(
            state=Credential.State.ACTIVE,
            company_id=company_id,
            kind=CredentialKind.OAUTH,
            access_sealed=None,
            refresh_sealed=None,
            reason="",
        )

    def make_due(self, now: datetime) -> int:
        """Due for a refresh now: the dispatcher sends them to workers."""
        return self.update(refresh_due_at=now)

    def order(self, what: Credential.Order) -> int:
        """Want this done by the next message, whether or not it is due."""
        return self.update(ordered=what)

    def done(self, what: Credential.Order) -> int:
        """End the order, if it is still this one."""
        return self.filter(ordered=what).update(ordered=Credential.Order.NONE)

    def reject_access_token(self) -> int:
        """The vendor answered 401 to the access token: the next caller refreshes first."""
        return self.update(rejected_generation=models.F("generation"))

    def begin_doubt(self, *, now: datetime, before: datetime) -> int:
        """A 401 of unknown meaning: note the moment, if the last one was noted before `before`."""
        return self.filter(models.Q(doubted_at=None) | models.Q(doubted_at__lt=before)).update(doubted_at=now)


class Credential(models.Model):
    """The sealed tokens of one app on one company or location, and the state of their refresh."""

    Kind = CredentialKind
    Api = CredentialApi

    class Order(models.TextChoices):
        """What an operator, or the probe of a halted app, wants done now. The message that starts it is a hint."""

        NONE = "", "nothing"
        REFRESH = "refresh", "refresh, due or not"
        MINT = "mint", "mint from the company's token"

    class State(models.TextChoices):
        """Whether calls may use the credential."""

        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended: location inactive, tokens kept"
        NEEDS_RECONNECT = "needs_reconnect", "needs reconnect"
        REVOKED = "revoked", "revoked: uninstalled, tokens wiped"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="credentials")
    user_type = models.CharField("token of a", max_length=8, choices=UserType.choices)
    resource_id = models.CharField("company or location id", max_length=64)
    api = models.PositiveSmallIntegerField("API", choices=Api.choices, default=Api.TWO)
    company_id = models.CharField(
        "company that mints it",
        max_length=64,
        blank=True,
        help_text="id of the company whose token can mint this one",
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.OAUTH)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    reason = models.CharField(max_length=300, blank=True)

    generation = models.PositiveBigIntegerField(default=1)
    access_sealed = models.BinaryField(null=True)
    refresh_sealed = models.BinaryField(null=True)
    scopes = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_due_at = models.DateTimeField(null=True, blank=True)

    lease_owner = models.CharField("leased by", max_length=64, blank=True)
    lease_until = models.DateTimeField("leased until", null=True, blank=True)
    intent_generation = models.PositiveBigIntegerField("refresh of generation", null=True, blank=True)
    intent_at = models.DateTimeField(null=True, blank=True)
    rejected_generation = models.PositiveBigIntegerField(
        "refused generation",
        null=True,
        blank=True,
        help_text="the vendor answered 401 to this generation's access token",
    )
    doubted_at = models.DateTimeField(
        "last asked about",
        null=True,
        blank=True,
        help_text="when a 401 of unknown meaning last led to a question about the access token",
    )

    # The database's default serves processes of the release before, which do not know the column.
    ordered = models.CharField(max_length=8, choices=Order.choices, blank=True, default="", db_default="")

    failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    last_error_code = models.CharField("last error code", max_length=40, blank=True)
    last_error_at = models.DateTimeField("last error", null=True, blank=True)
    last_trace_id = models.CharField("trace id of the last error", max_length=100, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when an installation or an operator last brought a token; refreshes have only renewed it since",
    )
    disconnected_at = models.DateTimeField(
        null=True, blank=True, help_text="since when it needs a reconnect; empty once a new token came"
    )
    created_at = models.DateTimeField()

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(
                user_type=UserType.values,
                api=CredentialApi.values,
                kind=CredentialKind.values,
                state=["active", "suspended", "needs_reconnect", "revoked"],
                ordered=["", "refresh", "mint"],
            ),
            models.UniqueConstraint(
                fields=["app", "user_type", "resource_id", "api"], name="one_credential_per_resource"
            ),
            models.CheckConstraint(
                condition=models.Q(lease_owner="") | models.Q(lease_until__isnull=False),
                name="credential_lease_owner_has_deadline",
            ),
            models.CheckConstraint(
                condition=models.Q(intent_generation__isnull=True, intent_at__isnull=True)
                | models.Q(intent_generation__isnull=False, intent_at__isnull=False),
                name="credential_intent_is_whole",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="revoked")
                | models.Q(access_sealed__isnull=True, refresh_sealed__isnull=True),
                name="credential_revoked_has_no_token",
            ),
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
        """The owner in the binding of its sealed values."""
        own = ("credential", str(self.app_id), self.user_type, self.resource_id)
        return own if self.api == self.Api.TWO else (*own, f"api {self.api}")

    @property
    def tenant(self) -> Tenant:
        """The company or location that the token belongs to."""
        return Tenant(UserType(self.user_type), self.resource_id)

    @property
    def key(self) -> CredentialKey:
        """The unique key of this row."""
        return CredentialKey(self.app, self.tenant, self.api)

    @property
    def abilities(self) -> Abilities:
        """What its kind can do."""
        return abilities(self.kind)

    @property
    def is_minted(self) -> bool:
        """Whether its company's token can give it a new pair."""
        return bool(self.company_id) and self.user_type == UserType.LOCATION and self.abilities.renews

    @property
    def scope_set(self) -> frozenset[str]:
        """The granted scopes; empty when the vendor did not name them."""
        return frozenset(self.scopes.split())


class SpentName(models.Model):
    """The name of a spool entry that was committed. It is never deleted: outages are rare, and so are entries."""

    name = models.CharField(primary_key=True, max_length=80)
    spent_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def spend(cls, name: str, *, now: datetime) -> bool:
        """Use the name. False when it was used before. Of two transactions at once, one waits for the other."""
        with connection.cursor() as cursor:
            cursor.execute(_SPEND, [name, now])
            return bool(cursor.rowcount)


_SPEND = "INSERT INTO tokens_spentname (name, spent_at) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING"


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


def _short(reason: str) -> str:
    return reason[:300]
