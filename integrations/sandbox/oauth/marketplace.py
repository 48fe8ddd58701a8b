"""The sandbox's only marketplace app, with its settings in the developer portal.

A client id is `<app id>-<suffix>`, and the vendor's own SDKs rely on that; the version id of an app's first version
equals its app id.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from integrations.sandbox.oauth.scopes import PUBLISHED
from integrations.sandbox.options import Options


@dataclass(slots=True)
class MarketplaceApp:
    """`allowed` are the scopes configured in the portal, `requested` those of the listing's install link."""

    client_id: str
    client_secret: str = field(repr=False)
    shared_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    webhook_url: str
    requested: tuple[str, ...]
    allowed: frozenset[str]
    name: str = "Sandbox app"

    @property
    def app_id(self) -> str:
        """Id of the app: the client id up to its hyphen."""
        return self.client_id.partition("-")[0]

    @property
    def version_id(self) -> str:
        """Id of the app's version; the same as `app_id`."""
        return self.app_id


def listed(options: Options, served: set[str]) -> MarketplaceApp:
    """The app of these options; `served` are the scopes the sandbox's operations ask for."""
    return MarketplaceApp(
        client_id=options.client_id,
        client_secret=options.client_secret,
        shared_secret=options.shared_secret,
        redirect_uris=options.redirect_uris,
        webhook_url=options.webhook_url,
        requested=tuple(sorted(served)),
        allowed=PUBLISHED | served,
    )
