"""What the generated facade calls through: an app, a tenant, and how patiently.

::

    api = v2.Api(app, location="ve9EPM428h8vShlRW1KT")
    api.contacts.get_contact(contactId="ocQHyuzHvysMo5N5VsXc").json
    for page in api.contacts.search_contacts_advanced_pages(body={"query": "ann"}):
        ...

An editor completes every operation, parameter and body field; nothing but types is added to `client.call`. The modules
below `facade` are generated from the catalogue (`catalogue build`) and loaded when they are first asked for.
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

Json = Mapping[str, Any]  # a body as the caller has it, for what the vendor's files do not know
Text = str | int  # a parameter is text on its way, and the vendor calls its page sizes and timestamps strings
Part = str | bytes | float | bool | list[str] | File  # a field or a file of a multipart body


@dataclass(frozen=True)
class Tenant:
    """The location or the company that the calls are for; exactly one of the two. `dataclasses.replace` gives another
    lane, deadline (seconds) or number of retries. Raises BadRequest when the app speaks the other dialect."""

    dialect: ClassVar[DialectName]
    app: App
    location: str | None = field(default=None, kw_only=True)
    company: str | None = field(default=None, kw_only=True)
    lane: Lane = field(default=Lane.BULK, kw_only=True)
    deadline: float = field(default=client.DEADLINE, kw_only=True)
    retries: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.app.dialect != self.dialect:
            raise BadRequest(f"{self.app} speaks {self.app.dialect}: take the facade of that dialect")

    def call(self, operation: str, params: Json, body: Any = None) -> Result:
        """As `client.call`; a parameter that is None was not given."""
        return client.call(operation, params=_given(params), body=body, **self._how())

    def pages(self, operation: str, params: Json, body: Any = None) -> Iterator[Page]:
        """As `client.pages`."""
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
    """The operations of one of the vendor's files."""

    __slots__ = ("_tenant",)

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant


def _given(params: Json) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
