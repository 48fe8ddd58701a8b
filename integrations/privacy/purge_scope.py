"""The scope of a purge, an export or a search: a tenant with the locations below it, or one contact of a location."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from django.db.models import Q

from integrations.core.tenant import Tenant, UserType, quota_key
from integrations.tenants.credential_kinds import ABILITIES
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant, and for a company the ids of its locations. With `contact` only that contact of the location."""

    tenant: Tenant
    locations: frozenset[str]
    contact: str = ""

    @property
    def companies(self) -> frozenset[str]:
        """The company's id, if it is a company."""
        return frozenset({self.tenant.id}) if self.tenant.user_type == UserType.COMPANY else frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all tenants in it: the vendor's ids are unique over companies and locations."""
        return self.companies | self.locations

    @property
    def tenants(self) -> list[Tenant]:
        """All tenants in it."""
        return [*map(Tenant.company, sorted(self.companies)), *map(Tenant.location, sorted(self.locations))]

    @property
    def mailboxes(self) -> list[str]:
        """The keys of their mailboxes."""
        return [tenant.mailbox_key for tenant in self.tenants]

    @property
    def quota_keys(self) -> list[str]:
        """The keys of their quotas, of every app and of the quotas that apps share."""
        shared = {abilities.quota for abilities in ABILITIES.values()} - {""}
        names = [*App.objects.order_by("pk").values_list("client_id", flat=True), *sorted(shared)]
        return [quota_key(name, tenant_id) for name, tenant_id in product(names, sorted(self.ids))]

    def by(self, user_type: str, tenant_id: str) -> Q:
        """Rows whose columns `user_type` and `tenant_id` name a tenant in it."""
        companies = Q(**{user_type: UserType.COMPANY, f"{tenant_id}__in": self.companies})
        return companies | Q(**{user_type: UserType.LOCATION, f"{tenant_id}__in": self.locations})

    @property
    def installations(self) -> Q:
        """Rows of installations."""
        return self.by("user_type", "resource_id")


def of(tenant: Tenant, *, locations: Iterable[str] | None = None, contact: str = "") -> Scope:
    """The scope of a tenant as it is now, or with the `locations` that were noted when its purge began."""
    if tenant.user_type == UserType.LOCATION:
        return Scope(tenant, frozenset({tenant.id}), contact)
    return Scope(tenant, frozenset(_locations_of(tenant.id) if locations is None else locations), contact)


def _locations_of(company_id: str) -> set[str]:
    """The locations that belong to the company, also those of which only an installation or a credential says so."""
    known = Location.objects.filter(company=company_id).values_list("id", flat=True)
    installed = Installation.objects.locations().filter(company=company_id).values_list("resource_id", flat=True)
    minted = Credential.objects.filter(user_type=UserType.LOCATION, company_id=company_id)
    named = {*installed, *minted.values_list("resource_id", flat=True)}
    moved = Location.objects.filter(id__in=named).exclude(company=None).exclude(company=company_id)
    return {*known, *named} - {*moved.values_list("id", flat=True)}
