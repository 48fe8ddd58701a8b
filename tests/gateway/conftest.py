"""A location and its company connected to the vendor, and a look at what the vendor counted."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import pytest

from integrations.core import clock
from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor, app, company_grant, location_grant, vendor

__all__ = ["app", "vendor"]

GET_LOCATION = "locations.get-location"


class Call(Protocol):
    def __call__(self, operation: str = ..., **how: Any) -> Result: ...


def ripe(row: Credential) -> Credential:
    """Not fresh from the vendor any more: a refusal of its access token is believed."""
    Credential.objects.filter(pk=row.pk).update(refreshed_at=clock.now() - timedelta(minutes=5))
    row.refresh_from_db()
    return row


@pytest.fixture
def location(vendor: Vendor, app: App) -> Credential:
    grant = location_grant(vendor, app, vendor.locations[0])
    row = store.save_grant(store.location(app, str(grant.location_id)), grant, now=clock.now())
    Credential.objects.filter(pk=row.pk).update(company_id="")
    return ripe(row)


@pytest.fixture
def company(vendor: Vendor, app: App) -> Credential:
    grant = company_grant(vendor, app)
    return ripe(store.save_grant(store.company(app, str(grant.company_id)), grant, now=clock.now()))


@pytest.fixture
def call(app: App, location: Credential) -> Call:
    """A call for the location; `locations.get-location` unless another is named."""

    def call(operation: str = GET_LOCATION, **how: Any) -> Result:
        asked: dict[str, Any] = {"app": app, "location": location.resource_id} | how
        return client.call(operation, **asked)

    return call


class Counted:
    """What reached the vendor."""

    def __init__(self, vendor: Vendor, resource_id: str) -> None:
        self.state = partial(vendor.state)
        self.resource_id = resource_id

    @property
    def calls(self) -> int:
        return int(self.state()["quota"].get(self.resource_id, {}).get("requests", 0))

    @property
    def refreshes(self) -> int:
        return int(self.state()["token_requests"].get("refresh_token", 0))

    @property
    def requests(self) -> int:
        return int(self.state()["requests"])


@pytest.fixture
def counted(vendor: Vendor, location: Credential) -> Counted:
    return Counted(vendor, location.resource_id)
