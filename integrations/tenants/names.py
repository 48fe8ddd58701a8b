"""Names of companies and locations by id, and an admin mixin that shows and searches them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf
from django.http import HttpRequest
from unfold.decorators import display

from integrations.tenants.models import Company, Location

_MOST_FOUND = 1_000  # matches of a search: a word that matches thousands of names selects nothing useful


def by_id(ids: Collection[str]) -> dict[str, str]:
    """Names of companies and locations by id. A tenant whose name the vendor has not sent is left out."""
    found = [*_names(Company, pk__in=ids), *_names(Location, pk__in=ids)]
    return {tenant_id: name for tenant_id, name in found if name}


def search(text: str) -> list[str]:
    """The ids of companies and locations with `text` in their names, in any case. At most 1,000 of each kind."""
    wanted = {"name__icontains": text}
    return [tenant_id for tenant_id, _ in [*_names(Company, **wanted), *_names(Location, **wanted)]][:_MOST_FOUND]


class TenantNames:
    """Admin mixin for rows that hold a tenant's id: adds the tenant's name, and searches by it.

    `tenant_id_path` is the field of the id; it may lead through relations, as in `plan__location_id`.
    """

    tenant_id_path = "location_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Annotates each row with `heading_id` and `heading_name` (the id while the name is unknown)."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        row_tenant = OuterRef(self.tenant_id_path)
        names = [Subquery(model.objects.filter(pk=row_tenant).values("name")) for model in (Location, Company)]
        tenant_id = F(self.tenant_id_path)
        known = [NullIf(name, Value("")) for name in names]
        named: QuerySet[Any] = rows.annotate(heading_id=tenant_id, heading_name=Coalesce(*known, tenant_id))
        return named

    @display(description="tenant", ordering="heading_name", header=True)  # type: ignore[untyped-decorator]
    def tenant_heading(self, row: Any) -> tuple[str, str]:
        """The tenant's name above its id."""
        return row.heading_name, row.heading_id

    @display(description="name")  # type: ignore[untyped-decorator]
    def tenant_name(self, row: Any) -> str:
        """The tenant's name."""
        return str(row.heading_name)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Also finds rows by the tenant's name."""
        found, doubled = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        term = search_term.strip()
        ids = search(term) if term else []
        return (found | queryset.filter(**{f"{self.tenant_id_path}__in": ids}) if ids else found), doubled


def _names(model: type[Company | Location], **wanted: Any) -> QuerySet[Any, tuple[str, str]]:
    return model.objects.filter(**wanted).values_list("pk", "name")[:_MOST_FOUND]
