"""Environment variables for an app that uses this sandbox, also as lines for a shell."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from integrations.sandbox.events import signing
from integrations.sandbox.oauth.marketplace import MarketplaceApp


def variables(app: MarketplaceApp, seed: int, url: str) -> dict[str, str]:
    """Environment variables with which hlapp uses this sandbox."""
    return {
        "HIGHLEVEL_API_URL": url,
        "HIGHLEVEL_API_1_URL": f"{url}/v1",
        "HIGHLEVEL_MARKETPLACE_URL": url,
        "HIGHLEVEL_ALLOWED_HOSTS": str(urlsplit(url).hostname),
        "HIGHLEVEL_CLIENT_ID": app.client_id,
        "HIGHLEVEL_CLIENT_SECRET": app.client_secret,
        "HIGHLEVEL_SHARED_SECRET": app.shared_secret,
        "HIGHLEVEL_SCOPES": " ".join(app.requested),
        "HIGHLEVEL_WEBHOOK_KEYS": signing.public_key_pem(seed).strip(),
    }


def exports(app: MarketplaceApp, seed: int, url: str) -> str:
    """The variables as `export NAME=value` lines for a shell."""
    pairs = variables(app, seed, url).items()
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in pairs) + "\n"
