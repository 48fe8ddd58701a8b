"""The columns that the export of an admin list may have: what its pages show of a row, as values and not as words.

Sealed and binary columns, passwords and the like are in none. Who may not see personal data gets the columns that
`personal` names masked, as on the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import BinaryField, Field, ForeignKey
from django.http import HttpRequest

from integrations.core.pages import tenant_links
from integrations.core.redaction import is_secret_column


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column. `name` is that in the file; `read` gets its value from a row. `is_listed`: the list shows it."""

    name: str
    title: str
    read: Callable[[Any], Any]
    is_listed: bool


def columns(page: Any, request: HttpRequest) -> list[ListColumn]:
    """The columns of the list of this admin page: its own first, then those of a row's page."""
    listed = list(_fields(page, _ordered_by(page, page.get_list_display(request))))
    others = [*flatten_fieldsets(page.get_fieldsets(request)), *page.personal]
    key = page.model._meta.pk.name  # noqa: SLF001 - Django's documented name
    found = {field.name: field for field in _fields(page, [key, *(field.name for field in listed), *others])}
    shown = {key, *(field.name for field in listed)}
    own = [_column(field, is_listed=field.name in shown) for field in found.values()]
    counted = [
        ListColumn(name, name.replace("_", " "), _attribute(name), is_listed=True)
        for name in getattr(page, "exported", ())
    ]
    every = [*own[:1], *_tenant(page), *own[1:], *counted]
    unique: dict[str, ListColumn] = {}
    for column in every:
        unique.setdefault(column.name, column)
    return list(unique.values())


def chosen(every: Sequence[ListColumn], names: Iterable[str]) -> list[ListColumn]:
    """The columns with these names, in the order of all; those of the list where no name is one of a column."""
    wanted = set(names)
    return [one for one in every if one.name in wanted] or [one for one in every if one.is_listed]


def _fields(page: Any, names: Iterable[Any]) -> Iterator[Field[Any, Any]]:
    """The model's own columns among the names, without secrets and seals."""
    own = {field.name: field for field in page.model._meta.concrete_fields}  # noqa: SLF001
    for name in names:
        field = own.get(name) if isinstance(name, str) else None
        if field is not None and not isinstance(field, BinaryField) and not is_secret_column(field.name):
            yield field


def _ordered_by(page: Any, names: Iterable[Any]) -> Iterator[Any]:
    """The names of a list's columns; of a column that is made up, the model's column that orders it."""
    for name in names:
        yield name
        method = getattr(page, name, None) if isinstance(name, str) else None
        order = getattr(method, "admin_order_field", None)
        if isinstance(order, str):
            yield order.lstrip("-").partition("__")[0]


def _column(field: Field[Any, Any], *, is_listed: bool) -> ListColumn:
    title = str(field.verbose_name) + (" id" if isinstance(field, ForeignKey) else "")
    return ListColumn(field.attname, title, _attribute(field.attname), is_listed)


def _attribute(name: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row, name)


def _tenant(page: Any) -> list[ListColumn]:
    """Id and name of the tenant, where the list shows one. `known_tenants` of a row has the names of its batch."""
    if not isinstance(page, tenant_links.TenantColumn):
        return []

    def name(row: Any) -> str:
        found = row.known_tenants.get(page.tenant_id_of(row))
        return found.name if found else ""

    return [
        ListColumn("tenant_id", "tenant id", page.tenant_id_of, is_listed=True),
        ListColumn("tenant_name", "tenant name", name, is_listed=True),
    ]
