"""Checks of an authorization request (RFC 6749 4.1.1), and the redirect back to the app.

The vendor refuses an unknown client id, a redirect URI that is not exactly a registered one, and a scope that is not
configured. It redirects for none of them: the user sees a page. It reads `+` in the scope parameter literally (one
report), so scopes have to be separated by `%20`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from integrations.sandbox.oauth.marketplace import MarketplaceApp

FIELDS = ("client_id", "redirect_uri", "scope", "state", "response_type", "version_id")


class Invalid(Exception):
    """An authorization request that is refused. `reason` is the vendor's text, `advice` says what to change."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Authorization:
    """A checked request. `state` is None if none was given, as in installs started from the marketplace."""

    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None

    def back(self, **answer: str) -> str:
        """The redirect URI with the answer, and the state if there was one."""
        parts = urlsplit(self.redirect_uri)
        given = answer if self.state is None else {**answer, "state": self.state}
        query = [*parse_qsl(parts.query, keep_blank_values=True), *given.items()]
        return urlunsplit(parts._replace(query=urlencode(query)))


def query_fields(raw_query: str) -> dict[str, str]:
    """The parameters of a raw query string, where `+` stays a plus sign."""
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def check(app: MarketplaceApp, fields: Mapping[str, str]) -> Authorization:
    """Check the parameters of an authorization request. Raises Invalid."""
    client_id = fields.get("client_id", "")
    if client_id != app.client_id:
        raise Invalid(
            f"No integration found with the id: {client_id.partition('-')[0]}",
            f"client_id must be {app.client_id}.",
        )
    if fields.get("response_type", "code") != "code":
        raise Invalid("unsupported_response_type", "response_type must be code.")
    redirect_uri = fields.get("redirect_uri", "")
    if redirect_uri not in app.redirect_uris:
        registered = ", ".join(app.redirect_uris)
        raise Invalid("redirect_uri mismatch", f"{redirect_uri or 'None'} is not registered; these are: {registered}")
    return Authorization(redirect_uri, _scopes(app, fields.get("scope", "")), fields.get("state"))


def _scopes(app: MarketplaceApp, text: str) -> tuple[str, ...]:
    requested = tuple(dict.fromkeys(text.split())) or app.requested
    unknown = [scope for scope in requested if scope not in app.allowed]
    if unknown:
        advice = "Separate scopes with %20." if any("+" in scope for scope in unknown) else "No such scope."
        raise Invalid(f"invalid_scope: {' '.join(unknown)}", advice)
    return requested
