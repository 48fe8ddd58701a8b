"""Typed API client of one tenant, the base of the generated facade: app, tenant, lane, deadline and retries.

::

    api = v2.Api(app, location="ve9EPM428h8vShlRW1KT")
    api.contacts.get_contact(contactId="ocQHyuzHvysMo5N5VsXc").json
    for page in api.contacts.search_contacts_advanced_pages(body={"query": "ann"}):
        ...

An editor completes every operation, parameter and body field. The facade adds only types to `client.call`. The modules
in `facade` are generated from the catalogue (`catalogue build`) and imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from integrations.core.errors import BadRequest
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

    `dataclasses.replace` gives a copy with another lane, deadline (seconds) or number of retries. Raises BadRequest
    when the app uses the other dialect.
    """

    dialect: ClassVar[DialectName]
    app: App
    location: str | None = field(default=None, kw_only=True)
    company: str | None = field(default=None, kw_only=True)
    lane: Lane = field(default=Lane.BULK, kw_only=True)
    deadline: float = field(default=client.DEADLINE, kw_only=True)
    retries: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.app.dialect != self.dialect:
            raise BadRequest(f"{self.app} uses {self.app.dialect}: use the facade of that dialect")

    def call(self, operation: str, params: Json, body: Any = None) -> Result:
        """`client.call` for this tenant; a parameter that is None is not sent."""
        return client.call(operation, params=_given(params), body=body, **self._how())

    def pages(self, operation: str, params: Json, body: Any = None) -> Iterator[Page]:
        """`client.pages` for this tenant; a parameter that is None is not sent."""
        return client.pages(operation, params=_given(params), body=body, **self._how())

    def _how(self) -> dict[str, Any]:
        return {
            "app": self.app,
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


def _given(params: Json) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
