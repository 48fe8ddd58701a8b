"""Probes an access token with one cheap read, which takes a permit like any other call.

`admit` asks before an entered token is stored. Its read is one that only a token of the right level may do, so it also
finds a token of another location, or an agency's in the place of a location's. `check` asks about a stored token, and
reads what the vendor says of its account; also after a 401 that says nothing about it (`tokens.access.second_opinion`).

A refusal for a missing scope also proves the token: the vendor checks scopes of live tokens only. API 1.0 has no
documented error bodies, so there every 401 is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from integrations.core.errors import BadRequest, GrantRevoked, OtherAccount, RequestRejected, ScopeMissing, VendorAnswer
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.highlevel.catalogue import catalogue, prepare
from integrations.highlevel.catalogue.fill import PreparedRequest
from integrations.highlevel.errors import AccessTokenRejected
from integrations.highlevel.http import api_errors, transport
from integrations.quota.attempt import permitted
from integrations.quota.permits.lanes import Lane
from integrations.tokens.access import api_endpoint
from integrations.tokens.models import Credential, CredentialKey

DEADLINE_SECONDS = 10.0
NOT_ACCEPTED = "HighLevel does not accept this token"
_REMEDY = {
    Credential.Kind.OAUTH: "it expired, or the app was uninstalled",
    Credential.Kind.PRIVATE: "it was copied wrongly, rotated, or deleted",
    Credential.Kind.KEY: (
        "it was copied wrongly, regenerated, deleted after 90 days without use, or it is the key of another account: a "
        "location's key is entered with the location's id, an agency's with the company's"
    ),
}


@dataclass(frozen=True, slots=True)
class _Reads:
    """An operation of API 2.0 and v3, and the path that API 1.0 has for it."""

    operation: str
    params: tuple[tuple[str, str], ...]
    path: str


# Only tokens of the same level may do these: FACTS 7.3 has the schemes, public-api.gohighlevel.com the kinds of keys.
_ADMISSION = {
    UserType.LOCATION: _Reads("locations.get-location-tags", (), "/custom-values/"),
    UserType.COMPANY: _Reads("companies.get-company", (), "/locations/"),
}
# These say what the account is called, and a location's also to which company it belongs.
_DESCRIPTION = {
    UserType.LOCATION: _Reads("locations.get-location", (), "/custom-values/"),
    UserType.COMPANY: _Reads("locations.search-locations", (("limit", "1"),), "/locations/"),
}
# For a second opinion about a call to the path of the one above.
_OTHER_PATHS = {
    UserType.LOCATION: _Reads("opportunities.get-pipelines", (), "/tags/"),
    UserType.COMPANY: _Reads("companies.get-company", (), "/users/"),
}


def check(key: CredentialKey, token: Secret, *, kind: str, lane: Lane = Lane.INTERACTIVE, apart_from: str = "") -> Any:
    """Return when the vendor accepts the token: what it answered (JSON), None when a refusal proves the token alive.

    The read is of another path than `apart_from`. Raises GrantRevoked when the vendor does not accept the token, and
    LocationInactive, Unreachable, ServerFault, QuotaExhausted and StoreUnavailable as other calls do.
    """
    request = _request(key, _DESCRIPTION[key.tenant.user_type])
    if request.path == apart_from:
        request = _request(key, _OTHER_PATHS[key.tenant.user_type])
    try:
        return _read(key, token, request, kind=kind, lane=lane)
    except (ScopeMissing, RequestRejected):
        return None  # the vendor answers this to live tokens only


def admit(key: CredentialKey, token: Secret, *, kind: str) -> None:
    """Return when the vendor accepts the token for this company or location.

    Raises BadRequest for a live token of another account or level, and what `check` raises.
    """
    try:
        _read(key, token, _request(key, _ADMISSION[key.tenant.user_type]), kind=kind, lane=Lane.INTERACTIVE)
    except ScopeMissing:
        return
    except OtherAccount as error:
        raise BadRequest(_other_account(key)) from error
    except RequestRejected:
        return  # the vendor answers this to live tokens only


def _other_account(key: CredentialKey) -> str:
    other = "another location's, or an agency's, which is entered with the company's id"
    if key.tenant.user_type == UserType.COMPANY:
        other = "another agency's, or a location's, which is entered with the location's id"
    return f"this token works, but not for the {key.tenant.kind} {key.tenant.id}: it is {other}"


def _read(key: CredentialKey, token: Secret, prepared: PreparedRequest, *, kind: str, lane: Lane) -> Any:
    endpoint = api_endpoint.of(key, kind)
    request = prepared.request(token, timeout=DEADLINE_SECONDS)
    with permitted(endpoint.quota_app, key.tenant.id, lane=lane, timeout=DEADLINE_SECONDS) as attempt:
        attempt.sending()
        response = transport.shared(endpoint.url).send(request)
        rate, refused = endpoint.rate(key, response.rate), response.status == HTTPStatus.TOO_MANY_REQUESTS
        attempt.answered(received_at=response.received_at, rate=rate, refused=refused)
    try:
        api_errors.raise_for(response, operation=request.operation)
    except AccessTokenRejected as error:
        raise GrantRevoked(
            f"{NOT_ACCEPTED}: {_REMEDY[Credential.Kind(kind)]}", vendor=VendorAnswer(trace_id=error.vendor.trace_id)
        ) from error
    return response.json


def _request(key: CredentialKey, reads: _Reads) -> PreparedRequest:
    if key.api == Credential.Api.ONE:
        return PreparedRequest(f"api1 GET {reads.path}", "GET", reads.path, version="", query=[], headers={})
    operation = catalogue(key.app.dialect_name).operation(reads.operation)
    return prepare(operation, dict(reads.params), tenant=key.tenant.request_fields)
