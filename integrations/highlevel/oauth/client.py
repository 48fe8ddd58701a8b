"""OAuth client for HighLevel: install link, code exchange, refresh, and location tokens minted from a company token.

Authlib builds and authenticates the requests. This module prevents three things that Authlib would do: refresh by
itself (only the tokens room refreshes, under a lease), accept a 4xx JSON as a token, and return the old refresh token
as if it were new. Authlib's client holds the last token as state, so each call makes its own; only the connections are
shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx2
from authlib.integrations.httpx_client import OAuth2Client

from integrations.core.errors import (
    BadRequest,
    GrantRevoked,
    IntegrationError,
    PayloadAnomalous,
    Unreachable,
    VendorAnswer,
)
from integrations.core.secret import Secret
from integrations.core.sensitive import cleaned
from integrations.core.texts import storable
from integrations.highlevel.http import api_errors, destinations, error_rows, rate_headers, transport, wire
from integrations.highlevel.http.json_text import parsed
from integrations.highlevel.oauth import oauth_errors
from integrations.highlevel.oauth.dialects import DIALECTS, V3_AUTH_METHOD, Dialect, DialectName, sign_v3
from integrations.highlevel.oauth.grants import Grant, UserType, grant_from, require_identity

__all__ = ["ClientIdentity", "Grant", "UserType", "authorize_url", "exchange", "mint_location", "refresh"]

CHOOSE_LOCATION = "/v2/oauth/chooselocation"
DEADLINE_SECONDS = 20.0
LONGEST_CODE = 2048


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """OAuth client data of one marketplace app: id, secret, redirect URI, API base URL and dialect."""

    client_id: str
    client_secret: Secret
    redirect_uri: str
    api_url: str
    dialect: DialectName = "v2"


def authorize_url(
    client: ClientIdentity,
    *,
    marketplace_url: str,
    scopes: Iterable[str],
    state: str,
    version_id: str,
    install_url: str = "",
) -> str:
    """The install link (FACTS 1.1). Scopes are separated by %20, because HighLevel reads `+` literally.

    `install_url` is the portal's link: it is sent as it is, on the host of `marketplace_url`, with the state.
    Raises DestinationRefused: the person who follows the link signs in there. Raises BadRequest for the link of another
    app: they would give their account to that one.
    """
    if install_url:
        return _from_portal(client, install_url, marketplace_url, state)
    destinations.require(marketplace_url)
    url, _ = OAuth2Client(
        client_id=client.client_id,
        redirect_uri=client.redirect_uri,
        scope=" ".join(scopes),
        transport=wire.shared(client.api_url),
    ).create_authorization_url(
        marketplace_url.rstrip("/") + CHOOSE_LOCATION,
        state=state,
        version_id=version_id,
        loginWindowOpenMode="self",
    )
    return str(url).replace("+", "%20")  # Authlib writes a literal plus as %2B


def is_of_another_app(install_url: str, client_id: str) -> bool:
    """Whether the portal's link asks for consent to an app with another client id, or is no URL. It may name none."""
    try:
        query = urlsplit(install_url).query
    except ValueError:
        return True
    return any(value != client_id for name, value in parse_qsl(query) if name == "client_id")


def _from_portal(client: ClientIdentity, install_url: str, marketplace_url: str, state: str) -> str:
    if is_of_another_app(install_url, client.client_id):
        raise BadRequest("the install link of this app names another app: copy its own from the developer portal")
    link, host = urlsplit(install_url), urlsplit(marketplace_url)
    destinations.require(urlunsplit((host.scheme, host.netloc, link.path, "", "")))
    given = {"response_type": "code", "client_id": client.client_id, "redirect_uri": client.redirect_uri}
    query = given | dict(parse_qsl(link.query, keep_blank_values=True)) | {"state": state}
    return urlunsplit((host.scheme, host.netloc, link.path, urlencode(query, quote_via=quote), ""))


def exchange(
    client: ClientIdentity, code: str, *, user_type: UserType, deadline_seconds: float = DEADLINE_SECONDS
) -> Grant:
    """Exchange the callback's code for a grant.

    The grant's `user_type` is HighLevel's, which may differ from the requested one. Raises GrantRevoked (code used or
    expired), ClientRejected, Unreachable, PayloadAnomalous and the rest of `oauth_errors`.
    """
    if not code.isascii() or not code.isprintable() or not 0 < len(code) <= LONGEST_CODE:
        raise PayloadAnomalous("the code cannot be one of HighLevel's", operation="oauth.exchange")
    spent, code = Secret(code), ""  # a report may show the local variables of this frame
    with _Named("oauth.exchange"):
        call = _Call(client, deadline_seconds)  # the response has to state what it grants
        call.oauth.fetch_token(
            call.url, grant_type="authorization_code", code=spent.reveal(), user_type=user_type, headers=call.headers
        )
        return require_identity(call.grant())


def refresh(client: ClientIdentity, refresh_token: Secret, *, user_type: UserType, deadline_seconds: float) -> Grant:
    """Exchange a refresh token for a grant, in one request.

    Unreachable with `sent=True` means that the vendor may have spent the token: send the same one again within 30
    seconds (FACTS 1.4). Raises what `oauth_errors` lists.
    """
    if not refresh_token:
        raise GrantRevoked(oauth_errors.INSTALL_AGAIN, reason="refresh_token_missing", operation="oauth.refresh")
    with _Named("oauth.refresh"):
        call = _Call(client, deadline_seconds, requested=user_type)
        call.oauth.refresh_token(
            call.url,
            refresh_token=refresh_token.reveal(),
            user_type=user_type,
            redirect_uri=client.redirect_uri,
            headers=call.headers,
        )
        return call.grant()


def mint_location(
    client: ClientIdentity,
    company_access_token: Secret,
    *,
    company_id: str,
    location_id: str,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Grant:
    """Mint a location token from a company's (FACTS 1.7). This is an API call: bearer token, quota, `api_errors`."""
    dialect = DIALECTS[client.dialect]
    request = transport.Request(
        method="POST",
        path=dialect.mint_path,
        version=dialect.mint_version,
        token=company_access_token,
        form={"companyId": company_id, "locationId": location_id},
        timeout=deadline_seconds,
    )
    with _Named("oauth.mint_location"):
        response = transport.shared(client.api_url).send(request)
        api_errors.raise_for(response, operation="oauth.mint_location")
        grant = grant_from(response.json, requested="Location", trace_id=response.trace_id)
        answered = VendorAnswer(trace_id=grant.trace_id)
        if (grant.user_type, grant.location_id or location_id) != ("Location", location_id):
            raise PayloadAnomalous("HighLevel minted a token for another location", vendor=answered)
        if grant.company_id not in (None, company_id):
            raise PayloadAnomalous("HighLevel minted a token of another company", vendor=answered)
    return replace(
        grant,
        location_id=location_id,
        company_id=company_id,
        rate=response.rate,
        received_at=response.received_at,
    )


class _Call:
    """One token request: an Authlib client whose hooks check the response before Authlib reads it."""

    def __init__(self, client: ClientIdentity, deadline_seconds: float, *, requested: UserType | None = None) -> None:
        dialect: Dialect = DIALECTS[client.dialect]
        self.requested = requested
        self.url = client.api_url.rstrip("/") + dialect.token_path
        self.headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if dialect.token_version:
            self.headers["Version"] = dialect.token_version
        self._granted: Grant | None = None
        self.oauth = OAuth2Client(
            client_id=client.client_id,
            client_secret=client.client_secret.reveal(),
            redirect_uri=client.redirect_uri,
            token_endpoint_auth_method=dialect.auth_method,
            transport=_Timed(wire.shared(client.api_url), deadline_seconds),
        )
        self.oauth.register_client_auth_method((V3_AUTH_METHOD, sign_v3))
        self.oauth.register_compliance_hook("access_token_response", self._judge)
        self.oauth.register_compliance_hook("refresh_token_response", self._judge)

    def grant(self) -> Grant:
        """The grant that the hook read. Authlib's own token would repeat the old refresh token if none came."""
        if self._granted is None:
            raise Unreachable("HighLevel's answer was not read", sent=True)
        return self._granted

    def _judge(self, answer: httpx2.Response) -> httpx2.Response:
        body: Any = parsed(answer.content)
        trace_id = error_rows.trace_id_of(body) or answer.headers.get("x-trace-id")
        if answer.status_code >= 300:
            raise oauth_errors.classify(
                answer.status_code,
                storable(answer.text[:2000]) if body is None else body,
                retry_after=rate_headers.retry_after(answer.headers),
                trace_id=trace_id,
            )
        self._granted = grant_from(body, requested=self.requested, trace_id=trace_id)
        return httpx2.Response(200, json={"access_token": "held back", "token_type": "Bearer"})


class _Timed(httpx2.BaseTransport):
    """Transport that uses the shared wire for one call with its own deadline."""

    def __init__(self, shared: wire.Wire, seconds: float) -> None:
        self._wire, self._seconds = shared, seconds

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, wire.TOTAL: self._seconds}
        return self._wire.handle_request(request)


class _Named:
    """Context manager that adds the call's name to our errors and removes the call's frames from every exception.

    The locals of these frames are the form with the secret and the code or token; error reporters may print them.
    """

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrationError):
            error.operation = self.operation
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None) from None
        if error is not None:
            raise cleaned(error).with_traceback(None)
