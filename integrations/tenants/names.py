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


def told(ids: Collection[str]) -> dict[str, str]:
    """Tenants' names by id, as far as the vendor has sent them."""
    found = [*_named(Company, pk__in=ids), *_named(Location, pk__in=ids)]
    return {place: name for place, name in found if name}


def fitting(term: str) -> list[str]:
    """The ids of companies and locations whose name contains `term`."""
    wanted = {"name__icontains": term}
    return [place for place, _ in [*_named(Company, **wanted), *_named(Location, **wanted)]][:_MOST_FOUND]


class NamedPlaces:
    """Admin mixin for rows with a tenant's id in `place_column`: adds the tenant's name, and searches by it."""

    place_column = "location_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Annotates each row with `place_id` and `place_name` (the id while the name is unknown)."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        mine = OuterRef(self.place_column)
        names = [Subquery(model.objects.filter(pk=mine).values("name")) for model in (Location, Company)]
        place = F(self.place_column)
        known = [NullIf(name, Value("")) for name in names]
        named: QuerySet[Any] = rows.annotate(place_id=place, place_name=Coalesce(*known, place))
        return named

    @display(description="whose", ordering="place_name", header=True)  # type: ignore[untyped-decorator]
    def whose(self, row: Any) -> tuple[str, str]:
        """The tenant's name and id."""
        return row.place_name, row.place_id

    @display(description="name")  # type: ignore[untyped-decorator]
    def place(self, row: Any) -> str:
        """The tenant's name."""
        return str(row.place_name)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Also finds rows by the tenant's name."""
        found, doubled = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        term = search_term.strip()
        places = fitting(term) if term else []
        return (found | queryset.filter(**{f"{self.place_column}__in": places}) if places else found), doubled


def _named(model: type[Company | Location], **wanted: Any) -> QuerySet[Any, tuple[str, str]]:
    return model.objects.filter(**wanted).values_list("pk", "name")[:_MOST_FOUND]
