"""Links from a tenant's id to its page, with its name: every page that shows an id uses these.

The page of a tenant is the admin's page of the company or location. A room that knows only an id, and not whether it is
a company's or a location's, asks the directory. Names and kinds are rows of the room `tenants`, which registers itself
as the directory (`use`), because the rooms below it show ids too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.core.tenant import Tenant, UserType

_LINK = '<a class="tenant-link" href="{}" title="{}">{}</a>'


@dataclass(frozen=True, slots=True)
class KnownTenant:
    """A company or location that has a row here. `name` is empty while the vendor has not sent it."""

    tenant: Tenant
    name: str

    @property
    def title(self) -> str:
        """The name, or the id while the name is unknown."""
        return self.name or self.tenant.id


class TenantDirectory(Protocol):
    """Lookup of tenants by id and by name."""

    def known(self, ids: Collection[str]) -> dict[str, KnownTenant]:
        """The tenants with these ids that have a row, by id."""

    def search(self, text: str) -> list[str]:
        """The ids of the tenants with `text` in their names."""


class _Empty:
    def known(self, ids: Collection[str]) -> dict[str, KnownTenant]:
        return {}

    def search(self, text: str) -> list[str]:
        return []


_directory: TenantDirectory = _Empty()


def use(directory: TenantDirectory) -> None:
    """Set the directory of this process. Called once, from `AppConfig.ready`."""
    global _directory  # noqa: PLW0603 - this room cannot import the one above it
    _directory = directory


def known(ids: Iterable[str]) -> dict[str, KnownTenant]:
    """The tenants with these ids that have a row, by id. Two queries whatever their number."""
    wanted = {one for one in ids if one}
    return _directory.known(wanted) if wanted else {}


def search(text: str) -> list[str]:
    """The ids of the tenants with `text` in their names."""
    return _directory.search(text)


def url(tenant: Tenant) -> str:
    """The address of a tenant's page; empty in a process without admin pages."""
    try:
        return reverse(f"admin:tenants_{tenant.kind}_change", args=[quote(tenant.id)])
    except NoReverseMatch:
        return ""


def link(tenant: Tenant, text: str = "") -> SafeString:
    """A link to the tenant's page. `text` is its name; its id unless given."""
    return format_html(_LINK, url(tenant), tenant, text or tenant.id)


def link_by_id(tenant_id: str, found: dict[str, KnownTenant] | None = None) -> SafeString | str:
    """A link to the tenant with this id, by its name; the id alone where no row has it. `found` saves the lookup."""
    one = (known([tenant_id]) if found is None else found).get(tenant_id)
    return link(one.tenant, one.title) if one else tenant_id


def named(subject: str) -> Tenant | None:
    """The tenant that a text such as `Location:<id>` or `location:<id>` names; None for any other text."""
    kind, _, tenant_id = subject.partition(":")
    try:
        return Tenant(UserType(kind.capitalize()), tenant_id) if tenant_id else None
    except ValueError:
        return None


class TenantColumn:
    """Admin mixin: a column and a field `tenant_link` for rows whose tenant `tenant_id_of` names.

    The tenants of a page are looked up together, when its list has been read.
    """

    def tenant_id_of(self, row: Any) -> str:
        """The id of the row's company or location; empty without one."""
        raise NotImplementedError

    def get_changelist_instance(self, request: Any) -> Any:
        """The list, with the tenants of its rows."""
        listed = super().get_changelist_instance(request)  # type: ignore[misc]
        found = known(self.tenant_id_of(row) for row in listed.result_list)
        for row in listed.result_list:
            row.known_tenants = found
        return listed

    def tenant_heading(self, row: Any) -> tuple[SafeString | str, str]:
        """Column: the name, as a link, above the id."""
        tenant_id = self.tenant_id_of(row)
        shown = link_by_id(tenant_id, getattr(row, "known_tenants", None))
        return shown, tenant_id if shown != tenant_id else ""

    tenant_heading.short_description = "tenant"  # type: ignore[attr-defined]  # what admin.display sets
    tenant_heading.header = True  # type: ignore[attr-defined]  # unfold: two lines

    def tenant_link(self, row: Any) -> SafeString | str:
        """Field: the name as a link."""
        return link_by_id(self.tenant_id_of(row))

    tenant_link.short_description = "tenant"  # type: ignore[attr-defined]
