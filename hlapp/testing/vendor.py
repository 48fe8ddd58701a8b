"""A HighLevel to test against: the sandbox over real HTTP, an app of ours that points to it, and a browser's part."""

from __future__ import annotations

import functools
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.highlevel.http import wire
from integrations.highlevel.oauth import client as oauth
from integrations.highlevel.oauth.grants import Grant
from integrations.sandbox.options import Options
from integrations.sandbox.request_log import Asked
from integrations.sandbox.server.embedded import serve_in_thread
from integrations.tenants import marketplace
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import store

FIRST_REDIRECT = "https://app.example.com/oauth/callback"
# An app that is not the settings' names itself in its redirect URI (tenants.marketplace.redirect_uri).
REDIRECT = f"{FIRST_REDIRECT}?app={Options().client_id.partition('-')[0]}"
OPTIONS = Options(port=0, locations=3, contacts=12, redirect_uris=(REDIRECT, FIRST_REDIRECT))
SCOPES = (
    "oauth.readonly oauth.write contacts.readonly contacts.write opportunities.readonly locations.readonly "
    "users.readonly conversations.readonly"
)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Made once: it reads the certificates of all authorities, which takes longer than a request."""
    return httpx2.create_ssl_context()


def _ask(method: str, url: str, **request: Any) -> httpx2.Response:
    with httpx2.Client(timeout=60, verify=_trusted()) as client:
        return client.request(method, url, **request)


@dataclass
class Vendor:
    """The running sandbox, with the few acts that tests ask of it."""

    url: str
    options: Options

    def get(self, path: str) -> Any:
        """The JSON that the sandbox answers."""
        return _ask("GET", self.url + path).raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        """The same for a POST of JSON."""
        text = json.dumps(body or {})  # httpx2's own writes no half of a surrogate pair
        headers = {"Content-Type": "application/json"}
        return _ask("POST", self.url + path, content=text, headers=headers).raise_for_status().json()

    def state(self) -> dict[str, Any]:
        """Counters, companies and locations."""
        state: dict[str, Any] = self.get("/sandbox/state")
        return state

    def fault(self, path: str, kind: str, *, times: int | None = 1, **params: Any) -> None:
        """What goes wrong with the next requests below `path` (integrations/sandbox/faults.py)."""
        self.post("/sandbox/faults", {"kind": kind, "match": {"path": path}, "times": times, "params": params})

    def asked(self) -> list[Asked]:
        """The requests for operations that reached the vendor, the oldest first."""
        return [Asked(**one) for one in self.get("/sandbox/requests")["requests"]]

    def advance(self, seconds: float) -> None:
        """Move the vendor's clock forward."""
        self.post("/sandbox/clock", {"advance_seconds": seconds})

    def behind(self, now: datetime) -> float:
        """Seconds by which the vendor's clock is behind `now`; 0 if it is not."""
        there = datetime.fromisoformat(self.post("/sandbox/clock", {"advance_seconds": 0})["now"])
        return max(0.0, (now - there).total_seconds())

    @property
    def company(self) -> str:
        """The id of the first company."""
        return str(next(iter(self.state()["companies"])))

    @property
    def locations(self) -> list[str]:
        """The ids of all locations."""
        return list(self.state()["locations"])

    def consent(self, url: str, **choices: str) -> str:
        """Open an authorize URL, choose, press Install; the address the browser is sent back to."""
        page = _ask("GET", url)
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        action = re.search(r'action="([^"]*)"', page.text)
        assert action is not None, page.text
        fields = {**{k: v.replace("&amp;", "&") for k, v in hidden.items()}, "action": "install", **choices}
        answer = _ask("POST", str(page.url.join(action[1].replace("&amp;", "&"))), data=fields)
        assert answer.status_code in (302, 303), answer.text
        return str(answer.headers["location"])

    def bulk(self, url: str) -> str:
        """Install on the whole agency."""
        return self.consent(url, mode="bulk", all_locations="on")

    def single(self, url: str, location: str) -> str:
        """Install on one location."""
        return self.consent(url, mode="location", location=location)


def run_vendor(**options: Any) -> Iterator[Vendor]:
    """Yield one sandbox, which ends when the generator does. `options` are those of the sandbox."""
    chosen = replace(OPTIONS, **options)
    with serve_in_thread(chosen) as running:
        yield Vendor(running.url, chosen)
        wire.shared(running.url).close()  # its connections would outlive the test


def make_app(vendor: Vendor, scopes: str = SCOPES) -> App:
    """An app of ours at this vendor."""
    row = App(
        name="Test app",
        client_id=vendor.options.client_id,
        highlevel_id=vendor.options.client_id.partition("-")[0],
        version_id=vendor.options.client_id.partition("-")[0],
        scopes=scopes,
        api_url=vendor.url,
        marketplace_url=vendor.url,
        created_at=clock.now(),
    )
    marketplace.set_secrets(
        row,
        client_secret=Secret(vendor.options.client_secret),
        shared_secret=Secret(vendor.options.shared_secret),
    )
    row.save()
    return row


def move(app: App, url: str) -> None:
    """Move the app to another API address, with its client secret, as an operator does. Nothing is saved."""
    app.api_url = url
    marketplace.set_secrets(app, client_secret=Secret("entered-again"), shared_secret=None)


def install_everywhere(vendor: Vendor, app: App) -> tuple[str, str]:
    """Install the app on the agency and on its first location, with tokens and rows. Returns both ids."""
    now, company, location = clock.now(), vendor.company, vendor.locations[0]
    store.save_grant(store.company(app, company), company_grant(vendor, app), now=now)
    store.save_grant(store.location(app, location), location_grant(vendor, app, location), now=now)
    Company.objects.get_or_create(id=company, defaults={"name": "Test agency", "created_at": now})
    Location.objects.get_or_create(id=location, defaults={"company_id": company, "name": "Test", "created_at": now})
    common = {"app": app, "status": Installation.Status.INSTALLED, "origin": Installation.Origin.APP}
    times = {"status_at": now, "created_at": now, "claimed_at": now, "claimed_by": "the test"}
    rows = (
        {"user_type": UserType.COMPANY, "resource_id": company, "company_id": company},
        {"user_type": UserType.LOCATION, "resource_id": location, "company_id": company, "location_id": location},
    )
    for row in rows:
        Installation.objects.create(**common, **times, **row)
    return company, location


def authorize_url(app: App, state: str = "a-state") -> str:
    """Where the browser begins an install."""
    return oauth.authorize_url(
        marketplace.identity(app),
        marketplace_url=app.marketplace_url,
        scopes=app.scopes.split(),
        state=state,
        version_id=app.version_id,
    )


def code_of(address: str) -> str:
    """The code in the address that the vendor sent the browser back to."""
    return parse_qs(urlsplit(address).query)["code"][0]


def company_grant(vendor: Vendor, app: App) -> Grant:
    """Install on the whole agency and exchange the code."""
    return oauth.exchange(marketplace.identity(app), code_of(vendor.bulk(authorize_url(app))), user_type="Location")


def location_grant(vendor: Vendor, app: App, location: str) -> Grant:
    """Install on one location and exchange the code."""
    address = vendor.single(authorize_url(app), location)
    return oauth.exchange(marketplace.identity(app), code_of(address), user_type="Location")


def stateless_url(app: App) -> str:
    """The link of a marketplace listing: no state."""
    query = {"response_type": "code", "client_id": app.client_id, "redirect_uri": REDIRECT, "scope": app.scopes}
    return f"{app.marketplace_url}/v2/oauth/chooselocation?{urlencode(query)}"
