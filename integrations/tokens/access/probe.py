"""Probes an access token with one cheap read, which takes a permit like any other call.

Operators' manual tokens are probed before they are stored, the token of an installation when nothing else says whether
the app is still installed, and a token after a 401 that says nothing about it (`tokens.access.second_opinion`).

A refusal for a missing scope also proves the token: the vendor checks scopes of live tokens only. API 1.0 has no
documented error bodies, so there every 401 is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from integrations.core.errors import GrantRevoked, RequestRejected, ScopeMissing, VendorAnswer
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.highlevel.errors import AccessTokenRejected
from integrations.highlevel.http import api_errors, transport
from integrations.highlevel.http.transport import Request
from integrations.quota.attempt import permitted
from integrations.quota.permits.lanes import Lane
from integrations.tokens.access import api_endpoint
from integrations.tokens.models import Credential, CredentialKey

DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Read:
    path: str
    query: tuple[tuple[str, str], ...] = ()
    version: str | None = None


def check(key: CredentialKey, token: Secret, *, lane: Lane = Lane.INTERACTIVE, apart_from: str = "") -> Any:
    """Return when the vendor accepts the token: what it answered (JSON), None without the scope to read.

    The read is of another path than `apart_from`. Raises GrantRevoked when the vendor does not accept the token,
    LocationInactive, Unreachable, QuotaExhausted, ...
    """
    read, endpoint = _read(key, apart_from), api_endpoint.of(key)
    request = Request(
        "GET", read.path, read.query, read.version, token, timeout=DEADLINE_SECONDS, operation="tokens.check"
    )
    with permitted(endpoint.quota_app, key.tenant.id, lane=lane, timeout=DEADLINE_SECONDS) as attempt:
        attempt.sending()
        response = transport.shared(endpoint.url).send(request)
        rate, refused = endpoint.rate(key, response.rate), response.status == HTTPStatus.TOO_MANY_REQUESTS
        attempt.answered(received_at=response.received_at, rate=rate, refused=refused)
    try:
        api_errors.raise_for(response, operation=request.operation)
    except AccessTokenRejected as error:
        raise GrantRevoked(
            "HighLevel does not accept this token: it was copied wrongly, rotated, or deleted",
            vendor=VendorAnswer(trace_id=error.vendor.trace_id),
        ) from error
    except (ScopeMissing, RequestRejected):
        return None  # the vendor answers this to live tokens only
    return response.json


def _read(key: CredentialKey, apart_from: str) -> _Read:
    first, second = _reads(key)
    return second if first.path == apart_from else first


def _reads(key: CredentialKey) -> tuple[_Read, _Read]:
    location, tenant_id = key.tenant.user_type == UserType.LOCATION, key.tenant.id
    if key.api == Credential.Api.ONE:
        return (_Read("/custom-values/"), _Read("/tags/")) if location else (_Read("/locations/"), _Read("/users/"))
    if location:
        users = _Read("/users/", (("locationId", tenant_id),), "2021-07-28")
        return _Read(f"/locations/{tenant_id}", version="2021-07-28"), users
    locations = _Read("/locations/search", (("companyId", tenant_id), ("limit", "1")), "2021-07-28")
    return locations, _Read(f"/companies/{tenant_id}", version="2021-07-28")
