"""API 1.0 client: calls by method and path. API 1.0 has no published OpenAPI file, hence no catalogue.

The vendor has retired API 1.0. The client serves tenants that still have a location's or agency's API key
(`tokens.manual_tokens.entry.enter`). Quota, errors and token storage work as for API 2.0, but with counters and
credentials of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.core.errors import BadRequest
from integrations.gateway.call_checks import tenant_of
from integrations.gateway.client import DEADLINE, Result, perform
from integrations.highlevel.catalogue import PreparedRequest
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens.models import Credential, CredentialKey

_METHODS = ("GET", "POST", "PUT", "DELETE")


def call(  # noqa: PLR0913 - as `gateway.client.call`
    method: str,
    path: str,
    *,
    app: App,
    location: str | None = None,
    company: str | None = None,
    params: Mapping[str, str] | None = None,
    body: Any = None,
    lane: Lane = Lane.BULK,
    deadline: float = DEADLINE,
) -> Result:
    """Call e.g. `("GET", "/contacts/")` with the API key of one location or one agency.

    `path` is relative to the API's base URL and already encoded. Raises what `gateway.client.call` raises.
    """
    name = f"api1 {method} {path}"
    tenant = tenant_of(name, location=location, company=company)
    if method not in _METHODS or not path.startswith("/"):
        raise BadRequest(f"{name}: use one of {', '.join(_METHODS)} and a path that starts with a slash")
    request = PreparedRequest(name, method, path, version="", query=list((params or {}).items()), headers={}, json=body)
    key = CredentialKey(app, tenant, Credential.Api.ONE)
    response = perform(None, key, request, lane=lane, deadline=deadline)
    return Result(response.status, response.json, response.trace_id, name, response.body, response.content_type)
