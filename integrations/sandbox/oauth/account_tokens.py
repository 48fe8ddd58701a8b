"""Tokens that an account makes in its settings: private integration tokens and API 1.0 keys. They do not expire.

Each private integration counts as an app of its own. A new key of an account ends its old one at once, as at the vendor
(help article 48001205369). A key is a JWT that names its account, as captured keys are.
"""

from __future__ import annotations

import math
import secrets
import uuid
from typing import Literal

from integrations.sandbox.data.world import World
from integrations.sandbox.oauth import jwt
from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.oauth.scopes import PUBLISHED
from integrations.sandbox.oauth.tokens import AccessToken, Grant

TokenKind = Literal["private", "key"]
API_1 = "api-1.0"


class AccountTokens:
    """All tokens of this kind that work: `private` for API 2.0 and v3, `keys` for API 1.0."""

    def __init__(self, world: World) -> None:
        self.private: dict[str, AccessToken] = {}
        self.keys: dict[str, AccessToken] = {}
        self._world = world

    def make(self, kind: TokenKind, account_id: str, scopes: tuple[str, ...] | None = None) -> str:
        """A new token of a company or location, with all scopes unless some are named. Raises KeyError without one."""
        location = self._world.locations.get(account_id)
        company_id = location.company_id if location else self._world.companies[account_id].id
        install = Install(company_id, location.id if location else None, "", (), self._world.now())
        if kind == "key":
            claims = {"location_id": account_id} if location else {"company_id": account_id}
            token = jwt.token({**claims, "version": 1, "iat": self._world.now(), "sub": secrets.token_hex(10)})
            self.keys = {old: access for old, access in self.keys.items() if access.grant.resource_id != account_id}
            self.keys[token] = _lasting(Grant(API_1, install, ()))
            return token
        token = f"pit-{uuid.uuid4()}"
        granted = tuple(sorted(PUBLISHED)) if scopes is None else scopes
        self.private[token] = _lasting(Grant(f"private-{token[-12:]}", install, granted))
        return token

    def end(self, token: str) -> bool:
        """End a token; False if it is not known."""
        found = self.private.pop(token, None) or self.keys.pop(token, None)
        return found is not None


def _lasting(grant: Grant) -> AccessToken:
    return AccessToken(grant, expires_at=math.inf)
