"""State of one running sandbox. All of it is used on one event loop, so code without an `await` is atomic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from integrations.sandbox.clock import Clock
from integrations.sandbox.data.played_triggers import PlayedTriggers
from integrations.sandbox.data.world import World
from integrations.sandbox.events.deliveries import Deliveries
from integrations.sandbox.faults import Faults
from integrations.sandbox.oauth.account_tokens import AccountTokens
from integrations.sandbox.oauth.installs import Installs
from integrations.sandbox.oauth.marketplace import MarketplaceApp
from integrations.sandbox.oauth.tokens import AccessToken, Tokens
from integrations.sandbox.openapi.listing_store import Listings
from integrations.sandbox.options import Options
from integrations.sandbox.quota import Quota
from integrations.sandbox.request_log import RequestLog


@dataclass(slots=True)
class Platform:
    """`token_requests` counts by grant: `authorization_code`, `refresh_token`, `location_token`, and `refused`."""

    options: Options
    clock: Clock
    world: World
    app: MarketplaceApp
    installs: Installs
    tokens: Tokens
    account_tokens: AccountTokens
    quota: Quota
    faults: Faults
    deliveries: Deliveries
    listings: Listings = field(default_factory=Listings)
    triggers: PlayedTriggers = field(default_factory=PlayedTriggers)
    payments: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    asked: RequestLog = field(default_factory=RequestLog)
    token_requests: Counter[str] = field(default_factory=Counter)

    def bearer(self, request: web.BaseRequest) -> tuple[str, AccessToken | None]:
        """The request's bearer token, and its record; None if the sandbox did not issue it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        return token, self.tokens.access.get(token) or self.account_tokens.private.get(token)


PLATFORM = web.AppKey("platform", Platform)


def assemble(options: Options, world: World, app: MarketplaceApp) -> Platform:
    """Build the state of a new sandbox."""
    clock = Clock()
    world.clock = clock.now
    faults = Faults(options.seed)
    return Platform(
        options=options,
        clock=clock,
        world=world,
        app=app,
        installs=Installs(),
        tokens=Tokens(options.rotation, options.access_token_ttl),
        account_tokens=AccountTokens(world),
        quota=Quota(options),
        faults=faults,
        deliveries=Deliveries(options, faults),
    )
