"""Issued authorization codes, access tokens and refresh tokens, and the rotation of refresh tokens.

Rotation has three modes, because the vendor has had more than one and has announced only the second:

- `strict`: a refresh token works once;
- `grace`: for 30 seconds after its first use, a second use returns the same successor (the vendor's changelog,
  "Smarter Refresh Token Handling for Distributed Systems"). A third use is refused, as in the only measurement;
- `lenient`: it works until it expires.

It is not known whether the second use also returns the same access token. Here each use gets a new one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.oauth import jwt
from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.options import Rotation

GRACE_SECONDS = 30
GRACE_USES = 2
CODE_SECONDS = 15 * 60
REFRESH_SECONDS = 365 * 24 * 3600


@dataclass(slots=True)
class Grant:
    """The authorization behind tokens: one installation, with the granted scopes."""

    client_id: str
    install: Install
    scopes: tuple[str, ...]
    scope_set: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.scope_set = frozenset(self.scopes)

    @property
    def user_type(self) -> str:
        """`Company` or `Location`."""
        return "Company" if self.install.location_id is None else "Location"

    @property
    def resource_id(self) -> str:
        """Id of the location, or of the company for a company grant."""
        return self.install.location_id or self.install.company_id


@dataclass(slots=True)
class AuthorizationCode:
    """An authorization code. `expires_at` is in seconds since 1970."""

    grant: Grant
    redirect_uri: str
    expires_at: float


@dataclass(slots=True)
class AccessToken:
    """An access token. `expires_at` is in seconds since 1970."""

    grant: Grant
    expires_at: float


@dataclass(slots=True)
class RefreshToken:
    """A refresh token with its use: `uses`, the first use at `used_at`, and the `successor` that it returned."""

    grant: Grant
    token_id: str
    expires_at: float
    used_at: float | None = None
    uses: int = 0
    successor: str | None = None


class Refused(Exception):
    """A refresh token that is unknown, expired or used up."""


class Tokens:
    """All codes and tokens that the sandbox has issued."""

    def __init__(self, rotation: Rotation, access_seconds: int) -> None:
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.rotation = rotation
        self.access_seconds = access_seconds

    def issue_code(self, grant: Grant, redirect_uri: str, now: float) -> str:
        """Issue an authorization code for `grant`."""
        code = secrets.token_hex(20)
        self.codes[code] = AuthorizationCode(grant, redirect_uri, now + CODE_SECONDS)
        return code

    def issue_access(self, grant: Grant, now: float) -> str:
        """Issue an access token for `grant`."""
        self.forget_expired(now)
        token = jwt.token(_claims(grant, now, self.access_seconds))
        self.access[token] = AccessToken(grant, now + self.access_seconds)
        return token

    def forget_expired(self, now: float) -> None:
        """Delete access tokens that expired long ago, so that a sandbox can run for weeks. All live equally long."""
        while self.access:
            token, oldest = next(iter(self.access.items()))
            if oldest.expires_at + self.access_seconds > now:
                return
            del self.access[token]

    def issue_refresh(self, grant: Grant, now: float) -> str:
        """Issue a refresh token for `grant`."""
        token_id = secrets.token_hex(12)
        token = jwt.token({**_claims(grant, now, REFRESH_SECONDS), "uniqueId": secrets.token_hex(12)})
        self.refresh[token] = RefreshToken(grant, token_id, now + REFRESH_SECONDS)
        return token

    def rotate(self, token: str, now: float) -> str:
        """The refresh token that follows `token`. Raises Refused."""
        record = self.refresh.get(token)
        if record is None or record.expires_at <= now or not self._usable(record, now):
            raise Refused
        if record.successor is None or self.rotation == "lenient":
            record.successor = self.issue_refresh(record.grant, now)
        if record.used_at is None:
            record.used_at = now
        record.uses += 1
        return record.successor

    def _usable(self, record: RefreshToken, now: float) -> bool:
        if record.used_at is None or self.rotation == "lenient":
            return True
        in_grace = record.uses < GRACE_USES and now - record.used_at <= GRACE_SECONDS
        return self.rotation == "grace" and in_grace


def _claims(grant: Grant, now: float, seconds: float) -> dict[str, Any]:
    install = grant.install
    return {
        "authClass": grant.user_type,
        "authClassId": grant.resource_id,
        "source": "INTEGRATION",
        "sourceId": grant.client_id,
        "channel": "OAUTH",
        "primaryAuthClassId": grant.resource_id,
        "oauthMeta": {"scopes": list(grant.scopes), "client": grant.client_id.partition("-")[0]},
        "userId": install.user_id,
        "iat": int(now),
        "exp": int(now + seconds),
    }
