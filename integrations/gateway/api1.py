"""API 1.0 client: calls by method and path. API 1.0 has no published OpenAPI file, hence no catalogue.

The vendor has retired API 1.0. The client serves tenants that still have a location's or agency's API key
(`installs.entered.connection`). Quota, errors and token storage work as for API 2.0, but with counters and
credentials of their own.
"""

from __future__ import annotations

from typing import Any

from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.highlevel.catalogue.api_version import API_1
from integrations.tenants.models import App


def call(method: str, path: str, *, app: App, **how: Any) -> Result:
    """Call e.g. `("GET", "/contacts/")` with the API key of one location or one agency.

    `path` is relative to the API's base URL. `how` and the errors are those of `gateway.client.call`.
    """
    return client.call(f"{method} {path}", app=app, version=API_1, **how)
