"""Names of companies and locations by id, and an admin mixin that links rows to their tenants and searches by name."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from integrations.core.pages.tenant_links import KnownTenant, TenantColumn
from integrations.core.tenant import Tenant
from integrations.tenants.models import Company, Location

_MOST_FOUND = 1_000  # matches of a search: a word that matches thousands of names selects nothing useful
_MOST_KEYS = 5_000  # of plans, schedules and so on; more of them have so many rows that a page is full soon


def by_id(ids: Collection[str]) -> dict[str, str]:
    """Names of companies and locations by id. A tenant whose name the vendor has not sent is left out."""
    return {tenant_id: one.name for tenant_id, one in known(ids).items() if one.name}


def known(ids: Collection[str]) -> dict[str, KnownTenant]:
    """The companies and locations with these ids that have a row, by id. Two queries whatever their number."""
    found = [KnownTenant(Tenant.company(pk), name) for pk, name in _names(Company, pk__in=ids)]
    found += [KnownTenant(Tenant.location(pk), name) for pk, name in _names(Location, pk__in=ids)]
    return {one.tenant.id: one for one in found}


def search(text: str) -> list[str]:
    """The ids of companies and locations with `text` in their names, in any case. At most 1,000 of each kind."""
    wanted = {"name__icontains": text}
    return [tenant_id for tenant_id, _ in [*_names(Company, **wanted), *_names(Location, **wanted)]][:_MOST_FOUND]


class TenantNames(TenantColumn):
    """Admin mixin for rows that hold a tenant's id: links to the tenant by name, and searches by it.

    `tenant_id_path` is the field of the id; it may lead through a relation, as in `plan__location_id`.
    """

    tenant_id_path = "location_id"

    def tenant_id_of(self, row: Any) -> str:
        """The value at `tenant_id_path`."""
        return str(reduce(getattr, self.tenant_id_path.split("__"), row))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows in which a search field has the text, and rows of the tenants with it in their names."""
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        found = self._rows(queryset.model, self.tenant_id_path, "in", search(term))
        for field in self.get_search_fields(request):  # type: ignore[attr-defined]
            found |= self._rows(queryset.model, field.removeprefix("="), "exact" if "=" in field else "icontains", term)
        return queryset.filter(found), False

    def _rows(self, model: type[Model], path: str, lookup: str, wanted: Any) -> Q:
        """Rows whose column at `path` fits. The keys of the tenants' own rows, such as plans, are looked up first: with
        a join, PostgreSQL would read the rows of all tenants until a page is full.
        """
        relation, _, column = path.rpartition("__")
        if not relation or not self.tenant_id_path.startswith(f"{relation}__"):
            return Q(**{f"{path}__{lookup}": wanted})
        related: Any = model._meta.get_field(relation).related_model  # noqa: SLF001 - Django's documented name
        keys = list(related.objects.filter(**{f"{column}__{lookup}": wanted}).values_list("pk", flat=True)[:_MOST_KEYS])
        return Q(**{f"{relation}__in": keys}) if len(keys) < _MOST_KEYS else Q(**{f"{path}__{lookup}": wanted})


def _names(model: type[Company | Location], **wanted: Any) -> QuerySet[Any, tuple[str, str]]:
    return model.objects.filter(**wanted).values_list("pk", "name")[:_MOST_FOUND]
