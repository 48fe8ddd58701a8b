"""A HighLevel to test against: the sandbox over real HTTP, an app of ours that points to it, and a browser's part.

A room's conftest imports the fixtures it needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.highlevel.http import wire
from integrations.highlevel.oauth import client as oauth
from integrations.highlevel.oauth.grants import Grant
from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import serve_in_thread
from integrations.tenants import marketplace
from integrations.tenants.models import App

FIRST_REDIRECT = "https://app.example.com/oauth/callback"
# An app that is not the settings' names itself in its redirect URI (tenants.marketplace.redirect_uri).
REDIRECT = f"{FIRST_REDIRECT}?app={Options().client_id.partition('-')[0]}"
OPTIONS = Options(port=0, locations=3, contacts=12, redirect_uris=(REDIRECT, FIRST_REDIRECT))
SCOPES = (
    "oauth.readonly oauth.write contacts.readonly contacts.write opportunities.readonly locations.readonly "
    "users.readonly conversations.readonly"
)


@dataclass
class Vendor:
    """The running sandbox, with the few acts that tests ask of it."""

    url: str
    options: Options

    def get(self, path: str) -> Any:
        return httpx2.get(self.url + path, timeout=60).raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        text = json.dumps(body or {})  # httpx2's own writes no half of a surrogate pair
        headers = {"Content-Type": "application/json"}
        return httpx2.post(self.url + path, content=text, headers=headers, timeout=60).raise_for_status().json()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.get("/sandbox/state")
        return state

    def fault(self, path: str, kind: str, *, times: int | None = 1, **params: Any) -> None:
        """What goes wrong with the next requests below `path` (integrations/sandbox/faults.py)."""
        self.post("/sandbox/faults", {"kind": kind, "match": {"path": path}, "times": times, "params": params})

    def advance(self, seconds: float) -> None:
        self.post("/sandbox/clock", {"advance_seconds": seconds})

    @property
    def company(self) -> str:
        return str(next(iter(self.state()["companies"])))

    @property
    def locations(self) -> list[str]:
        return list(self.state()["locations"])

    def consent(self, url: str, **choices: str) -> str:
        """Open an authorize URL, choose, press Install; the address the browser is sent back to."""
        page = httpx2.get(url, timeout=60)
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        action = re.search(r'action="([^"]*)"', page.text)
        assert action is not None, page.text
        fields = {**{k: v.replace("&amp;", "&") for k, v in hidden.items()}, "action": "install", **choices}
        answer = httpx2.post(str(page.url.join(action[1].replace("&amp;", "&"))), data=fields, timeout=60)
        assert answer.status_code in (302, 303), answer.text
        return str(answer.headers["location"])

    def bulk(self, url: str) -> str:
        return self.consent(url, mode="bulk", all_locations="on")

    def single(self, url: str, location: str) -> str:
        return self.consent(url, mode="location", location=location)


def run_vendor(**options: Any) -> Iterator[Vendor]:
    chosen = replace(OPTIONS, **options)
    with serve_in_thread(chosen) as running:
        yield Vendor(running.url, chosen)
        wire.shared(running.url).close()  # its connections would outlive the test


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor()


def make_app(vendor: Vendor) -> App:
    row = App(
        name="Test app",
        client_id=vendor.options.client_id,
        highlevel_id=vendor.options.client_id.partition("-")[0],
        version_id=vendor.options.client_id.partition("-")[0],
        scopes=SCOPES,
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


@pytest.fixture
def app(vendor: Vendor, db: None, clean_redis: Any) -> App:
    """An app of ours at this vendor; quota starts empty."""
    return make_app(vendor)


def authorize_url(app: App, state: str = "a-state") -> str:
    return oauth.authorize_url(
        marketplace.identity(app),
        marketplace_url=app.marketplace_url,
        scopes=app.scopes.split(),
        state=state,
        version_id=app.version_id,
    )


def code_of(address: str) -> str:
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
