"""Rate limits of the pages inside HighLevel and of exchanges at `/embed/session`.

Anyone can send a request to `/embed/session`, and each costs a decryption and some queries. The limits are far above
what people need: an office of fifty people behind one address, with every page open while data arrives, sends 750
requests a minute. The limit per app keeps a flood of its users from the other apps. Only payloads that decrypt count
against it, so that strangers cannot close the page for an app's users. Nor can the users of one tenant close pages for
others: what waits for the vendor holds a thread, so each tenant has some of them only.

Payloads that do not decrypt have a limit of all addresses together. Beyond it only an address that sent such payloads
itself has to wait, so that a flood from many addresses costs little and closes the page for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest

from integrations.core.client_address import client_address
from integrations.core.errors import SignatureInvalid, TooManyRequests
from integrations.core.tenant import Tenant
from integrations.quota.request_limits import AtOnce, RequestLimit
from integrations.tenants.models import App

EMBED_REQUESTS = RequestLimit("embed-address", 1_200)  # per address
EMBED_PAGES = RequestLimit("embed-user", 240)  # per app and user: a page of an own app may call the API each time
EMBED_EXCHANGES = RequestLimit("embed-app", 6_000)  # per app
FAILED_BY_ALL = RequestLimit("embed-failures", 600)
FAILED_IN_FLOOD = RequestLimit("embed-failures-address", 3)  # per address, once `FAILED_BY_ALL` is spent
UNINSTALLS = RequestLimit("embed-uninstall", 10)  # per app and user: each is a call of the vendor and an audit entry
UNINSTALLS_AT_ONCE = AtOnce("uninstalls", 2)
PAGES_AT_ONCE = AtOnce("embedded pages", 6)  # per tenant: pages may call the vendor, and other tenants need threads


def embed_request(request: HttpRequest) -> None:
    """Count a request to `/embed/session` or to a page. Raises TooManyRequests beyond the limit per client address."""
    EMBED_REQUESTS.count(client_address(request))


@contextmanager
def decryption(request: HttpRequest) -> Iterator[None]:
    """Around a decryption: counts it if it fails. In a flood raises TooManyRequests for who is part of it."""
    address = client_address(request)
    try:
        FAILED_BY_ALL.check()
    except TooManyRequests:
        FAILED_IN_FLOOD.check(address)
    try:
        yield
    except SignatureInvalid:
        FAILED_BY_ALL.note()
        FAILED_IN_FLOOD.note(address)
        raise


def embed_page(app_id: int, user_id: str) -> None:
    """Count a page that a user asked for. Raises TooManyRequests beyond the limit of this user."""
    EMBED_PAGES.count(f"{app_id}:{user_id}")


@contextmanager
def embed_call(app_id: int, tenant: Tenant) -> Iterator[None]:
    """Around the page of an own app. Raises TooManyRequests while others of this tenant have as many under way."""
    with PAGES_AT_ONCE.one(f"{app_id}:{tenant}"):
        yield


@contextmanager
def embed_uninstall(app_id: int, user_id: str) -> Iterator[None]:
    """Around an uninstall, which waits for the vendor. Raises TooManyRequests beyond the limits."""
    UNINSTALLS.count(f"{app_id}:{user_id}")
    with UNINSTALLS_AT_ONCE.one():
        yield


def embed_exchange(app: App) -> None:
    """Count an exchange of user data for a ticket. Raises TooManyRequests beyond the limit of all users of `app`."""
    EMBED_EXCHANGES.count(str(app.pk))
