"""Benchmark of installations per second through the WSGI application, against a bare code exchange with Authlib.

The vendor is the sandbox on a thread of this process, so every row includes its work. A callback exchanges the code and
stores the result: state, installation, sealed tokens, audit entry, one message. The codes are created before the clock
starts. Rounds are interleaved and the median counts.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import itertools  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from urllib.parse import parse_qs, urlsplit  # noqa: E402

import httpx2  # noqa: E402
from authlib.integrations.httpx_client import OAuth2Client  # noqa: E402
from celery import current_app  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from integrations.core.audit import maintenance  # noqa: E402
from integrations.core.models import AuditEntry, AuditHead  # noqa: E402
from integrations.installs.models import InstallState  # noqa: E402
from integrations.sandbox.options import Options  # noqa: E402
from integrations.sandbox.server.embedded import Embedded, serve_in_thread  # noqa: E402
from integrations.tenants.models import App, Company, Installation, Location  # noqa: E402
from integrations.tokens.models import Credential  # noqa: E402

ROUNDS, PER_ROUND = 5, 30
BARE = "bare: Authlib exchanges the code, keeps nothing"
SCOPES = "contacts.readonly opportunities.readonly users.readonly"
REDIRECT = f"{settings.PUBLIC_URL}/oauth/callback"

Callback = dict[str, str]


_numbers = itertools.count(1)


def browser() -> Client:
    """A browser at an address of its own, because the install page has a limit for each address."""
    number = next(_numbers)
    return Client(REMOTE_ADDR=f"10.0.{number // 250}.{number % 250}")


class Consent:
    """Gives consent at the sandbox, for one of its locations after the other."""

    def __init__(self, vendor: Embedded, options: Options) -> None:
        self.url = f"{vendor.url}/v2/oauth/chooselocation"
        self.web = httpx2.Client(timeout=10)
        state = self.web.get(f"{vendor.url}/sandbox/state").json()
        self.locations = list(state["locations"])
        self.fields = {"response_type": "code", "client_id": options.client_id, "redirect_uri": REDIRECT}
        self.pressed = 0

    def callback(self, state: str | None = None) -> Callback:
        """The query parameters of the redirect to our callback."""
        self.pressed += 1
        location = self.locations[self.pressed % len(self.locations)]
        fields = self.fields | {"scope": SCOPES, "mode": "location", "location": location}
        answer = self.web.post(self.url, data=fields | ({"state": state} if state else {}))
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def begun(site: Client, consent: Consent) -> Callback:
    """A callback whose state was issued by our install page to this client."""
    address = site.get("/install/", {"go": 1})["Location"]
    return consent.callback(parse_qs(urlsplit(address).query)["state"][0])


def rate(work: Callable[[Callback], None], callbacks: list[Callback]) -> float:
    """Callbacks per second."""
    start = time.perf_counter()
    for callback in callbacks:
        work(callback)
    return len(callbacks) / (time.perf_counter() - start)


def come_back(site: Client) -> Callable[[Callback], None]:
    """Work that requests the callback URL from this client."""

    def work(callback: Callback) -> None:
        answer = site.get("/oauth/callback", callback)
        if answer.status_code != 302:
            raise RuntimeError(f"the callback answered {answer.status_code}")

    return work


def measure(consent: Consent, bare: OAuth2Client, token_url: str) -> dict[str, list[float]]:
    """Requests per second by row, one figure per round."""
    found: dict[str, list[float]] = {}

    def note(name: str, figure: float) -> None:
        found.setdefault(name, []).append(figure)

    for _ in range(ROUNDS):
        codes = [consent.callback() for _ in range(PER_ROUND)]
        note(BARE, rate(lambda it: bare.fetch_token(token_url, code=it["code"], user_type="Location"), codes))
        note(
            "callback from the marketplace", rate(come_back(browser()), [consent.callback() for _ in range(PER_ROUND)])
        )
        # A browser has one install under way, so each callback comes from another client.
        sites = [browser() for _ in range(PER_ROUND)]
        pairs = [(site, begun(site, consent)) for site in sites]
        start = time.perf_counter()
        for site, callback in pairs:
            come_back(site)(callback)
        note("callback with the state of our page", PER_ROUND / (time.perf_counter() - start))
        start = time.perf_counter()
        for site in sites:
            site.get("/install/", {"go": 1})
        note("start: a state issued, on to the vendor", PER_ROUND / (time.perf_counter() - start))
    return found


def main() -> None:
    """Measure, check the number of installations, and print the table."""
    options = Options(port=0, locations=50, contacts=0, redirect_uris=(REDIRECT,))
    with serve_in_thread(options) as vendor:
        ours = override_settings(
            HIGHLEVEL_CLIENT_ID=options.client_id,
            HIGHLEVEL_CLIENT_SECRET=options.client_secret,
            HIGHLEVEL_SCOPES=SCOPES.split(),
            HIGHLEVEL_API_URL=vendor.url,
            HIGHLEVEL_MARKETPLACE_URL=vendor.url,
        )
        bare = OAuth2Client(
            options.client_id,
            options.client_secret,
            redirect_uri=REDIRECT,
            token_endpoint_auth_method="client_secret_post",
        )
        with ours, bare:
            found = measure(Consent(vendor, options), bare, f"{vendor.url}/oauth/token")
    if Installation.objects.count() != options.locations:
        raise RuntimeError(f"{Installation.objects.count()} installations of {options.locations} locations")
    rows = [(name, statistics.median(rates), "requests/s") for name, rates in found.items()]
    table("Installation", rows, base=BARE)
    tidy()


def tidy() -> None:
    """Delete the rows and messages of the run."""
    current_app.control.purge()
    for model in (Credential, Installation, InstallState, Location, Company, App):
        model.objects.all().delete()
    with maintenance.lifted():
        AuditEntry.objects.all().delete()
        AuditHead.objects.all().delete()
    connection.close()


if __name__ == "__main__":
    main()
