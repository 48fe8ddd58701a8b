"""Who we serve: the marketplace app, the companies and locations of the vendor, and what is installed where.

Companies and locations carry the vendor's own ids as primary keys: they are what every event, call and support case
names. An `Installation` is one app on one of them; secrets live with `tokens`, but for the app's own client secrets.
"""

from __future__ import annotations

from django.core.validators import URLValidator
from django.db import models

from integrations.core.tenant import Tenant
from integrations.core.tenant import UserType as UserType  # the choices of `user_type`, for the rooms above
from integrations.highlevel.oauth.dialects import DialectName


class App(models.Model):
    """One app of ours in HighLevel's marketplace. Secrets are sealed under ("app", client_id)."""

    class Dialect(models.TextChoices):
        V2 = "v2", "API 2.0"
        V3 = "v3", "v3"

    name = models.CharField(max_length=100)
    client_id = models.CharField(max_length=128, unique=True, help_text="<app id>-<suffix>, from the portal")
    highlevel_id = models.CharField(max_length=64, db_index=True, help_text="the part before the first dash")
    version_id = models.CharField(max_length=64, blank=True)
    dialect = models.CharField(max_length=2, choices=Dialect.choices, default=Dialect.V2)
    scopes = models.TextField(blank=True, help_text="separated by spaces")
    api_url = models.CharField(max_length=200, validators=[URLValidator(schemes=["https", "http"])])
    marketplace_url = models.CharField(max_length=200, validators=[URLValidator(schemes=["https", "http"])])
    client_secret_sealed = models.BinaryField(null=True, blank=True)  # NULL: its key is lost, somebody has to enter it
    shared_secret_sealed = models.BinaryField(null=True, blank=True)
    secret_generation = models.PositiveIntegerField(default=1)
    halted_at = models.DateTimeField(null=True, blank=True, help_text="our client id or secret was refused")
    halted_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @property
    def scope_set(self) -> frozenset[str]:
        return frozenset(self.scopes.split())

    @property
    def dialect_name(self) -> DialectName:
        """`dialect` as the catalogue and the OAuth client call it."""
        return "v3" if self.dialect == self.Dialect.V3 else "v2"


class Company(models.Model):
    """An agency. `id` is HighLevel's companyId."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "companies"

    def __str__(self) -> str:
        return self.name or self.id


class Location(models.Model):
    """A sub-account. `id` is HighLevel's locationId; the company may be unknown for a while (FACTS 3.4)."""

    id = models.CharField(primary_key=True, max_length=64)
    company = models.ForeignKey(Company, null=True, blank=True, on_delete=models.PROTECT, related_name="locations")
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name or self.id


class Installation(models.Model):
    """One app installed on one company or location. Rows stay after an uninstall; `generation` counts installs."""

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        INSTALLED = "installed", "installed"
        UNINSTALLED = "uninstalled", "uninstalled"

    class Origin(models.TextChoices):
        APP = "app", "our install page"
        MARKETPLACE = "marketplace", "the marketplace"
        BULK = "bulk", "a bulk install"
        EVENT = "event", "an INSTALL event"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="installations")
    user_type = models.CharField(max_length=8, choices=UserType.choices)
    resource_id = models.CharField(max_length=64, db_index=True, help_text="companyId or locationId")
    company = models.ForeignKey(Company, null=True, blank=True, on_delete=models.PROTECT)
    location = models.ForeignKey(Location, null=True, blank=True, on_delete=models.PROTECT)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    generation = models.PositiveIntegerField(default=1)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="empty: unclaimed, seen by operators only")
    claimed_by = models.CharField(max_length=200, blank=True)
    is_bulk = models.BooleanField(default=False)
    install_to_future = models.BooleanField(default=False)
    version_id = models.CharField(max_length=64, blank=True)
    plan_id = models.CharField(max_length=64, blank=True)
    installer_id = models.CharField(max_length=64, blank=True, help_text="userId of who installed it")
    status_at = models.DateTimeField(help_text="the vendor's moment of the last install or uninstall")
    reconcile_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    reconciled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "user_type", "resource_id"], name="one_installation_per_resource")
        ]

    def __str__(self) -> str:
        return f"{self.app} on {self.tenant}"

    @property
    def tenant(self) -> Tenant:
        """What the app is installed on."""
        return Tenant(UserType(self.user_type), self.resource_id)

    @property
    def is_installed(self) -> bool:
        return self.status == self.Status.INSTALLED
