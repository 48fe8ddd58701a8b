"""Resolves what a call names: an operation of the catalogue, or any method and path, in one version of the API.

A name that the app's dialect lacks is looked up in the other one, so that the caller learns which version to give. A
method and a path that neither lists are sent as they are (`highlevel.catalogue.unlisted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.core.errors import BadRequest
from integrations.gateway import repeat
from integrations.highlevel.catalogue import Operation, PreparedRequest, catalogue, prepare
from integrations.highlevel.catalogue.api_version import API_1, ApiVersion, api_version
from integrations.highlevel.catalogue.remarks import remarks
from integrations.highlevel.catalogue.unlisted import route, unlisted, version_near
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination.api1_styles import style_of_route
from integrations.highlevel.pagination.pages import Style
from integrations.highlevel.pagination.styles import style_of
from integrations.tenants.credential_kinds import CredentialApi
from integrations.tenants.models import App

_OTHER: dict[DialectName, DialectName] = {"v2": "v3", "v3": "v2"}
API_1_KEY = "api1 "  # begins the keys of API 1.0, whose paths are also some of API 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """An operation in a version of the API. `listed`: it comes from the catalogue."""

    operation: Operation
    version: ApiVersion
    listed: bool

    @property
    def api(self) -> CredentialApi:
        """The API whose credential the call needs."""
        return CredentialApi.ONE if self.version.dialect is None else CredentialApi.TWO

    @property
    def style(self) -> Style | None:
        """How the operation pages; None when it does not, or when nothing is known of it."""
        dialect = self.version.dialect
        if dialect is None:
            return style_of_route(self.operation.method, self.operation.path)
        return style_of(self.operation.key, dialect)

    @property
    def reads(self) -> bool:
        """Whether calling it changes nothing at the vendor: GET, and a listing, some of which use POST."""
        return self.operation.method in repeat.READS or self.style is not None

    def request(
        self, params: Mapping[str, Any] | None, body: Any, tenant: Mapping[str, str] | None = None
    ) -> PreparedRequest:
        """The request without its token; as `catalogue.prepare`."""
        made = prepare(self.operation, params, body, tenant=tenant)
        return replace(made, version=self.version.header) if self.version.header else made

    def remarks(
        self, params: Mapping[str, Any] | None, body: Any, tenant: Mapping[str, str] | None = None
    ) -> list[str]:
        """What the vendor's files have against the call, which is sent all the same. Empty for an unlisted one."""
        if not self.listed:
            return []
        return remarks(self.operation, params, body, tenant=tenant, dialect=self.version.dialect)


def find(
    name: str, app: App, *, version: str | None = None, params: Iterable[str] | None = None, body: Any = None
) -> Target:
    """The target of a call. `version` None: the app's dialect. `params`: the names of the parameters that are given.

    Raises BadRequest for a name that is neither an operation's nor a method and path, with the closest names or with
    the version that has it; for an unknown version; and for a path that could leave the API's base URL.
    """
    wanted = ApiVersion(app.dialect_name) if version is None else api_version(version)
    if wanted.dialect is None:
        return Target(_of_api_1(name, params, body), wanted, listed=False)
    known = catalogue(wanted.dialect).find(name)
    if known is not None:
        return Target(known, wanted, listed=True)
    if version is None and catalogue(other := _OTHER[wanted.dialect]).find(name) is not None:
        raise BadRequest(f"only {other} has '{name}': give the version {other} with the call", operation=name)
    parts = route(name)
    if parts is None:
        return Target(catalogue(wanted.dialect).operation(name), wanted, listed=True)  # raises, with the closest names
    header = wanted.header or version_near(parts[1], catalogue(wanted.dialect), wanted.dialect)
    return Target(unlisted(*parts, version=header, params=params or (), body=body), wanted, listed=False)


def _of_api_1(name: str, params: Iterable[str] | None, body: Any) -> Operation:
    parts = route(name)
    if parts is None:
        raise BadRequest(
            f"API {API_1} has no catalogue: name method and path instead of '{name}', such as GET /contacts/"
        )
    return unlisted(*parts, version="", params=params or (), body=body, prefix=API_1_KEY)
