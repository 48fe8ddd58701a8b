"""Models of tenants: marketplace apps, companies, locations, and which app is installed on which of them.

The primary keys of companies and locations are the vendor's ids, which every event, call and support case names. An
`Installation` is one app on one tenant. An app's client secrets are sealed here; all tokens are in the `tokens` room.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.core.validators import URLValidator
from django.db import models

from integrations.core import masking
from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType
from integrations.highlevel.oauth.dialects import DialectName
from integrations.tenants.app_version import AppVersion as AppVersion  # Django finds it here
from integrations.tenants.credential_kinds import (
    API_1,
    Abilities,
    ApiName,
    CredentialApi,
    CredentialKind,
    abilities,
)
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.tenant_note import TenantNote as TenantNote


class App(models.Model):
    """A marketplace app. Its secrets are sealed, bound to ("app", client_id)."""

    class Dialect(models.TextChoices):
        """Which version of the API and of the OAuth endpoints the app uses."""

        V2 = "v2", "API 2.0"
        V3 = "v3", "v3"

    name = models.CharField(max_length=100)
    client_id = models.CharField(max_length=128, unique=True, help_text="<app id>-<suffix>, from the portal")
    highlevel_id = models.CharField("app id", max_length=64, db_index=True, help_text="the part before the first dash")
    version_id = models.CharField("id of the version", max_length=64, blank=True)
    dialect = models.CharField(max_length=2, choices=Dialect.choices, default=Dialect.V2)
    scopes = models.TextField(blank=True, help_text="separated by spaces")
    api_url = models.CharField(
        "address of the API", max_length=200, validators=[URLValidator(schemes=["https", "http"])]
    )
    marketplace_url = models.CharField(
        "address of the marketplace", max_length=200, validators=[URLValidator(schemes=["https", "http"])]
    )
    install_url = models.CharField(
        "install link",
        max_length=2000,
        blank=True,
        default="",
        db_default="",
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="the whole install link, as the portal shows it",
    )
    white_label_urls = models.TextField(
        "white-label addresses",
        blank=True,
        default="",
        db_default="",
        help_text="more marketplace hosts, separated by spaces",
    )
    client_secret_sealed = models.BinaryField(null=True, blank=True)  # NULL: the key is lost; enter the secret again
    shared_secret_sealed = models.BinaryField(null=True, blank=True)
    secret_generation = models.PositiveIntegerField("number of the client secret", default=1)
    halted_at = models.DateTimeField("refreshes halted, after a refusal of id or secret", null=True, blank=True)
    halted_reason = models.CharField("reason", max_length=300, blank=True)
    created_at = models.DateTimeField("added")

    class Meta:
        constraints = known_values(dialect=["v2", "v3"])

    def __str__(self) -> str:
        return self.name

    @property
    def scope_set(self) -> frozenset[str]:
        """`scopes` as a set."""
        return frozenset(self.scopes.split())

    @property
    def dialect_name(self) -> DialectName:
        """`dialect` as the operation catalogue and the OAuth client name it."""
        return "v3" if self.dialect == self.Dialect.V3 else "v2"


class Company(models.Model):
    """An agency. `id` is HighLevel's companyId."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField("first seen")

    class Meta:
        verbose_name_plural = "companies"

    def __str__(self) -> str:
        return self.name or self.id


class Location(models.Model):
    """A sub-account. `id` is HighLevel's locationId; the company may be unknown for a while (FACTS 3.4)."""

    id = models.CharField(primary_key=True, max_length=64)
    company = models.ForeignKey(Company, null=True, blank=True, on_delete=models.PROTECT, related_name="locations")
    name = models.CharField(max_length=200, blank=True)
    stated_at = models.DateTimeField("name and company as of", null=True, blank=True)
    created_at = models.DateTimeField("first seen")

    def __str__(self) -> str:
        return self.name or self.id


class Installation(models.Model):
    """One app installed on one company or location. Rows stay after an uninstall; `generation` counts installs.

    Three clocks meet here. `announced_at` is the vendor's; `confirmed_at` and `changed_at` are ours. `status_at` is for
    people: it is the time of the newest notice, whatever its clock. `installs.decide` compares them. `revision` counts
    the notices, so that an answer of the vendor changes only the row that the question was about.
    """

    # What names the people who installed it, for pages and exports.
    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {"installer": masking.body, "claimed_by": masking.text}

    class Status(models.TextChoices):
        """Pending: without a token of its own yet. Installed: it has one. Uninstalled: it ended."""

        PENDING = "pending", "pending"
        INSTALLED = "installed", "installed"
        UNINSTALLED = "uninstalled", "uninstalled"

    class Origin(models.TextChoices):
        """Where the installation began."""

        APP = "app", "our install page"
        MARKETPLACE = "marketplace", "the marketplace"
        BULK = "bulk", "a bulk install"
        EVENT = "event", "an INSTALL event"
        OPERATOR = "operator", "a token that an operator entered"

    class Doubt(models.TextChoices):
        """Why the vendor is to be asked whether the app is installed."""

        EVENT = "event", "an UNINSTALL event whose order is unclear"
        UNLISTED = "unlisted", "missing from its company's list"
        VANISHED = "vanished", "missing from its company's list with many others"
        REVOKED = "revoked", "its company's grant was revoked"
        MOVED = "moved", "it belongs to another company now"
        RIVAL = "rival", "another company's list has it, too"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="installations")
    user_type = models.CharField("installed for", max_length=8, choices=UserType.choices)
    resource_id = models.CharField("company or location id", max_length=64, db_index=True)
    company = models.ForeignKey(Company, null=True, blank=True, on_delete=models.PROTECT)
    location = models.ForeignKey(Location, null=True, blank=True, on_delete=models.PROTECT)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    kind = models.CharField(
        "credential",
        max_length=8,
        choices=CredentialKind.choices,
        default=CredentialKind.OAUTH,
        db_default=CredentialKind.OAUTH,
        help_text="the kind of credential that it works with",
    )
    origin = models.CharField(max_length=12, choices=Origin.choices)
    generation = models.PositiveIntegerField(default=1)
    claimed_at = models.DateTimeField("claimed", null=True, blank=True, help_text="empty: only operators see it")
    claimed_by = models.CharField(max_length=200, blank=True)
    is_bulk = models.BooleanField("installed in bulk", default=False)
    install_to_future = models.BooleanField("installs on future locations", default=False)
    version_id = models.CharField("app version", max_length=64, blank=True)
    plan_id = models.CharField("id of the price plan", max_length=64, blank=True)
    installer_id = models.CharField("id of the user who installed it", max_length=64, blank=True)
    on_trial = models.BooleanField("is on trial", null=True, blank=True, help_text="empty: not said")
    trial_days = models.PositiveIntegerField(null=True, blank=True, help_text="length of the trial")
    trial_started_at = models.DateTimeField(null=True, blank=True)
    white_label = models.BooleanField(null=True, blank=True, help_text="empty: not said")
    white_label_domain = models.CharField("white-label domain", max_length=200, blank=True, default="", db_default="")
    white_label_logo = models.CharField(max_length=500, blank=True, default="", db_default="")
    external_auth = models.CharField(
        "kind of account connected",
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="oauth2 or basic: its users connected an account",
    )
    external_auth_at = models.DateTimeField("account connected", null=True, blank=True)
    installer = models.JSONField(
        default=dict,
        db_default={},
        help_text="what the vendor says of the installer: e-mail, owner, plan of the agency",
    )
    installer_asked_at = models.DateTimeField(null=True, blank=True)
    payment_status = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="of the app's own price: COMPLETE, FAILED, PENDING",
    )
    details_at = models.DateTimeField(
        null=True, blank=True, help_text="time of the newest notice with version, plan, trial or white label"
    )
    detail_times = models.JSONField(default=dict, db_default={}, help_text="the same for each of them")
    first_synced_at = models.DateTimeField("first sync complete", null=True, blank=True)
    status_at = models.DateTimeField("last installed or uninstalled")
    announced_at = models.DateTimeField(
        null=True, blank=True, help_text="newest INSTALL or UPDATE event, by the vendor's clock"
    )
    confirmed_at = models.DateTimeField("last proven installed, by our clock", null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True, help_text="when its status changed, by our clock")
    removed_at = models.DateTimeField(null=True, blank=True, help_text="when an operator removed it here")
    revision = models.PositiveBigIntegerField(default=0, help_text="counts the notices about it")
    doubt = models.CharField("in doubt", max_length=12, choices=Doubt.choices, blank=True)
    rival = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="another company whose list has the location too",
    )
    agencies_asked_to = models.BigIntegerField(
        default=0, help_text="companies up to this id were asked whether the location is theirs"
    )
    braked_at = models.DateTimeField("locations missing since", null=True, blank=True)
    missing = models.PositiveIntegerField("locations missing from HighLevel's list", default=0)
    released_at = models.DateTimeField(null=True, blank=True, help_text="when an operator let the missing ones go")
    reconcile_due_at = models.DateTimeField("next comparison", null=True, blank=True, db_index=True)
    reconciled_at = models.DateTimeField("last compared with HighLevel", null=True, blank=True)
    reading = models.JSONField(
        null=True, blank=True, help_text="how far the reading of the company's list has come, while it is under way"
    )
    listed_at = models.DateTimeField(
        null=True, blank=True, help_text="begin of the newest reading of its company's list that has the location"
    )
    sync_due_at = models.DateTimeField(null=True, blank=True, help_text="when its sync plans are to be made or deleted")
    created_at = models.DateTimeField()

    objects = InstallationQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(
                user_type=UserType.values,
                status=["pending", "installed", "uninstalled"],
                kind=CredentialKind.values,
                origin=["app", "marketplace", "bulk", "event", "operator"],
                doubt=["", "event", "unlisted", "vanished", "revoked", "moved", "rival"],
            ),
            models.UniqueConstraint(fields=["app", "user_type", "resource_id"], name="one_installation_per_resource"),
            models.CheckConstraint(
                condition=models.Q(claimed_at__isnull=True, claimed_by="")
                | (models.Q(claimed_at__isnull=False) & ~models.Q(claimed_by="")),
                name="installation_claim_is_complete",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="uninstalled")
                | models.Q(claimed_at__isnull=True, reconcile_due_at__isnull=True),
                name="uninstalled_is_unclaimed_and_not_due",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="uninstalled") | models.Q(doubt="", braked_at__isnull=True),
                name="uninstalled_is_not_in_doubt",
            ),
        ]
        indexes = [
            models.Index(
                fields=["sync_due_at"], name="installation_sync_due", condition=models.Q(sync_due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.app} on {self.tenant}"

    @property
    def tenant(self) -> Tenant:
        """What the app is installed on."""
        return Tenant(UserType(self.user_type), self.resource_id)

    def change(
        self, what: InstallationChange.What, at: datetime, *, old: Any = None, new: Any = None, event_id: str = ""
    ) -> InstallationChange:
        """A row of its history, not saved yet (`tenants.history.add`). `old` and `new` are JSON."""
        return InstallationChange(
            installation=self, generation=self.generation, what=what, at=at, old=old, new=new, event_id=event_id[:100]
        )

    @property
    def abilities(self) -> Abilities:
        """What its kind of credential can do."""
        return abilities(self.kind)

    @property
    def api_name(self) -> ApiName:
        """The API that its calls use: the app's dialect, or API 1.0."""
        return API_1 if self.abilities.api == CredentialApi.ONE else self.app.dialect_name

    @property
    def quota_app(self) -> str:
        """The name under which its calls are counted: the app's client id, or that of a quota which apps share."""
        return self.abilities.quota or self.app.client_id

    @property
    def is_installed(self) -> bool:
        """Whether it is neither pending nor uninstalled."""
        return self.status == self.Status.INSTALLED
