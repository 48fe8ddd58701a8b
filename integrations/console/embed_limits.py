"""Rate limits of the pages inside HighLevel and of exchanges at `/embed/session`.

Anyone can send a request to `/embed/session`, and each costs a decryption and some queries. The limits are far above
what people need: an office of fifty people behind one address, with every page open while data arrives, sends 750
requests a minute. The limit per app keeps a flood of its users from the other apps. Only payloads that decrypt count
against it, so that strangers cannot close the page for an app's users.
"""

from __future__ import annotations

from django.http import HttpRequest

from integrations.core.client_address import client_address
from integrations.quota.request_limits import RequestLimit
from integrations.tenants.models import App

EMBED_REQUESTS = RequestLimit("embed-address", 1_200)  # per address
EMBED_PAGES = RequestLimit("embed-user", 240)  # per app and user: a page of an own app may call the API each time
EMBED_EXCHANGES = RequestLimit("embed-app", 6_000)  # per app


def embed_request(request: HttpRequest) -> None:
    """Count a request to `/embed/session` or to a page. Raises TooManyRequests beyond the limit per client address."""
    EMBED_REQUESTS.count(client_address(request))


def embed_page(app_id: int, user_id: str) -> None:
    """Count a page that a user asked for. Raises TooManyRequests beyond the limit of this user."""
    EMBED_PAGES.count(f"{app_id}:{user_id}")


def embed_exchange(app: App) -> None:
    """Count an exchange of user data for a ticket. Raises TooManyRequests beyond the limit of all users of `app`."""
    EMBED_EXCHANGES.count(str(app.pk))
