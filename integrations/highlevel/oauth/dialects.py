"""OAuth dialects: all differences in names and paths between API 2.0 and v3 (FACTS sections 1.2, 1.7).

The meaning is the same in both. Authlib uses RFC 6749's snake_case. For v3 a client authentication method, which
Authlib calls with the finished body, renames the fields before sending. Both are always sent as a form: JSON fails on
API 2.0.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

DialectName = Literal["v2", "v3"]
V3_AUTH_METHOD = "client_secret_post_v3"

_CAMEL = {
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "grant_type": "grantType",
    "refresh_token": "refreshToken",
    "user_type": "userType",
    "redirect_uri": "redirectUri",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """Token endpoint and request format of one API version. `token_version` None: the header is not sent."""

    name: DialectName
    token_path: str
    token_version: str | None
    mint_path: str
    mint_version: str
    auth_method: str


DIALECTS: dict[DialectName, Dialect] = {
    "v2": Dialect("v2", "/oauth/token", None, "/oauth/locationToken", "2021-07-28", "client_secret_post"),
    "v3": Dialect("v3", "/oauth/token", "v3", "/oauth/location-token", "v3", V3_AUTH_METHOD),
}


def sign_v3(
    client: Any, method: str, uri: str, headers: MutableMapping[str, str], body: bytes | str
) -> tuple[str, MutableMapping[str, str], str]:
    """Authlib's client authentication hook: adds the client id and secret and renames every field to camelCase."""
    text = body.decode() if isinstance(body, bytes) else body
    fields = [
        *parse_qsl(text, keep_blank_values=True),
        ("client_id", client.client_id),
        ("client_secret", client.client_secret),
    ]
    return uri, headers, urlencode([(_CAMEL.get(name, name), value) for name, value in fields])
