"""What an authorization request must be before the choose-location page is shown, and how it goes back to the app.

The checks are the vendor's: an unknown client id, a redirect URI that is not registered to the letter, a scope that is
not configured. None of these goes back to the redirect URI; the user sees a page. One more trap is kept: the vendor
reads `+` in the scope parameter literally (one report), so scopes have to be separated by `%20`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from integrations.sandbox.oauth.marketplace import MarketplaceApp

FIELDS = ("client_id", "redirect_uri", "scope", "state", "response_type", "version_id")


class Invalid(Exception):
    """The request cannot lead to an install; the first text is the vendor's, the second says what to mend."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Authorization:
    """A request that has passed. `state` is None if none was given, as in installs started from the marketplace."""

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
    """Raises Invalid."""
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
    asked = tuple(dict.fromkeys(text.split())) or app.requested
    unknown = [scope for scope in asked if scope not in app.allowed]
    if unknown:
        advice = "Separate scopes with %20." if any("+" in scope for scope in unknown) else "No such scope."
        raise Invalid(f"invalid_scope: {' '.join(unknown)}", advice)
    return asked
