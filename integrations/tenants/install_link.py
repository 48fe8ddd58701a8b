"""The vendor's install links of an app: on each marketplace host, and as a whole where the portal's link was copied."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.core.errors import BadRequest
from integrations.highlevel.oauth import client as oauth
from integrations.tenants import marketplace
from integrations.tenants.models import App


@dataclass(frozen=True, slots=True)
class MarketplaceHost:
    """One host on which people consent. `name` is its host name, which chooses it in our own links."""

    name: str
    url: str


def hosts(app: App) -> list[MarketplaceHost]:
    """The hosts of the app, the default first. White-label agencies use another one than HighLevel's own customers."""
    found: dict[str, str] = {}
    for url in (app.install_url or app.marketplace_url, *app.white_label_urls.split()):
        found.setdefault(urlsplit(url).netloc, url)
    return [MarketplaceHost(name, url) for name, url in found.items()]


def address(app: App, *, state: str, host: str | None = None) -> str:
    """The address to which a browser is sent. `host` is one of the names of `hosts`; the default one for None.

    Raises BadRequest for another host.
    """
    found = hosts(app)
    chosen = found[0] if not host else next((one for one in found if one.name == host), None)
    if chosen is None:
        raise BadRequest(f"{host!r} is no marketplace of this app: there are {', '.join(one.name for one in found)}")
    return oauth.authorize_url(
        marketplace.identity(app),
        marketplace_url=chosen.url,
        scopes=app.scopes.split(),
        state=state,
        version_id=app.version_id,
        install_url=app.install_url,
    )
