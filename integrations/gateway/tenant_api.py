"""Typed API client of one tenant, the base of the generated facade: app, tenant, lane, deadline and retries.

::

    api = v2.Api(app, location="ve9EPM428h8vShlRW1KT")
    api.contacts.get_contact(contactId="ocQHyuzHvysMo5N5VsXc").json
    for page in api.contacts.search_contacts_advanced_pages(body={"query": "ann"}):
        ...

    api.call("GET /contacts/{contactId}/badges", {"contactId": "ocQHyuzHvysMo5N5VsXc"}, version="2023-02-21").json

An editor completes every operation, parameter and body field. The facade adds only types to `client.call`, and calls
the operations in the version whose names it has, whatever the app's dialect: the vendor decides by the header. The
modules in `facade` are generated from the catalogue (`catalogue build`) and imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from integrations.gateway import client
from integrations.gateway.client import Page, Result
from integrations.highlevel.http.transport import File
from integrations.highlevel.oauth.dialects import DialectName
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

Json = Mapping[str, Any]  # any body, for fields that the vendor's files lack
Text = str | int  # the vendor calls its page sizes and timestamps strings
Part = str | bytes | float | bool | list[str] | File  # a field or a file of a multipart body


@dataclass(frozen=True)
class TenantApi:
    """API client for the calls of one tenant: give a `location` or a `company`, not both.

    `dataclasses.replace` gives a copy with another lane, deadline (seconds) or number of retries.
    """

    dialect: ClassVar[DialectName]
    app: App
    location: str | None = field(default=None, kw_only=True)
    company: str | None = field(default=None, kw_only=True)
    lane: Lane = field(default=Lane.BULK, kw_only=True)
    deadline: float = field(default=client.DEADLINE_SECONDS, kw_only=True)
    retries: int | None = field(default=None, kw_only=True)

    def call(
        self, operation: str, params: Json | None = None, body: Any = None, *, version: str | None = None
    ) -> Result:
        """`client.call` for this tenant, of any operation; a parameter that is None is not sent.

        `version` is this facade's dialect unless given.
        """
        return client.call(operation, params=given(params), body=body, **self._how(version))

    def pages(
        self, operation: str, params: Json | None = None, body: Any = None, *, version: str | None = None
    ) -> Iterator[Page]:
        """`client.pages` for this tenant; otherwise as `call`."""
        return client.pages(operation, params=given(params), body=body, **self._how(version))

    def _how(self, version: str | None) -> dict[str, Any]:
        return {
            "app": self.app,
            "version": version or (None if self.app.dialect == self.dialect else self.dialect),
            "location": self.location,
            "company": self.company,
            "lane": self.lane,
            "deadline": self.deadline,
            "retries": self.retries,
        }


class Group:
    """The operations of one of the vendor's OpenAPI files; base class of the generated groups."""

    __slots__ = ("_api",)

    def __init__(self, api: TenantApi) -> None:
        self._api = api


def given(params: Json | None) -> dict[str, Any]:
    """The parameters that have a value."""
    return {name: value for name, value in (params or {}).items() if value is not None}
