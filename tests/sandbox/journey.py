"""The steps an app and its user take at the sandbox, over real HTTP."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2

from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import Embedded
from tests.support.waiting import wait_until

DEFAULTS = Options()
REDIRECT = "http://127.0.0.1:8000/oauth/callback"
SCOPES = "contacts.readonly contacts.write oauth.readonly oauth.write marketplace-installer-details.readonly"
V2 = {"Version": "2021-07-28"}
V3 = {"Version": "v3"}

Json = dict[str, Any]


@dataclass
class Journey:
    """A developer's view of one running sandbox."""

    sandbox: Embedded
    http: httpx2.Client
    company: str
    locations: list[str]

    @classmethod
    def start(cls, sandbox: Embedded) -> Journey:
        http = httpx2.Client(base_url=sandbox.url, trust_env=False, verify=False)
        state = http.get("/sandbox/state").json()
        return cls(sandbox, http, next(iter(state["companies"])), list(state["locations"]))

    def authorize_url(self, **changes: str) -> str:
        fields = {
            "response_type": "code",
            "client_id": DEFAULTS.client_id,
            "redirect_uri": REDIRECT,
            "scope": SCOPES,
            **changes,
        }
        return "/v2/oauth/chooselocation?" + "&".join(f"{name}={quote(text)}" for name, text in fields.items())

    def consent(self, form: dict[str, Any], **changes: str) -> dict[str, list[str]]:
        """Posts the consent form; the query of the redirect."""
        answer = self.http.post(self.authorize_url(**changes), data={"company": self.company, **form})
        assert answer.status_code == 302, answer.text
        assert answer.headers["location"].startswith(REDIRECT + "?")
        return parse_qs(urlsplit(answer.headers["location"]).query)

    def token(self, **fields: str) -> httpx2.Response:
        client = {"client_id": DEFAULTS.client_id, "client_secret": DEFAULTS.client_secret}
        return self.http.post("/oauth/token", data={**client, **fields})

    def exchange(self, code: str) -> Json:
        answer = self.token(grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, refresh_token: str) -> httpx2.Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def install_location(self, location: str = "") -> Json:
        """The tokens of a sub-account user's install."""
        form = {"mode": "location", "location": location or self.locations[0]}
        return self.exchange(self.consent(form)["code"][0])

    def install_company(self, **form: Any) -> Json:
        """The tokens of an agency's bulk install, of all locations unless the form says otherwise."""
        return self.exchange(self.consent({"mode": "bulk", **(form or {"all_locations": "on"})})["code"][0])

    def mint(self, company_token: str, location: str) -> httpx2.Response:
        return self.http.post(
            "/oauth/locationToken",
            data={"companyId": self.company, "locationId": location},
            headers={**bearer(company_token), **V2},
        )

    def installed(self, company_token: str, **query: str) -> httpx2.Response:
        return self.http.get(
            "/oauth/installedLocations",
            params={"companyId": self.company, "appId": app_id(), **query},
            headers={**bearer(company_token), **V2},
        )

    def contacts(self, token: str, location: str = "") -> httpx2.Response:
        return self.http.post(
            "/contacts/search",
            json={"locationId": location or self.locations[0], "pageLimit": 1, "page": 1},
            headers={**bearer(token), **V2},
        )

    def advance(self, seconds: float) -> None:
        assert self.http.post("/sandbox/clock", json={"advance_seconds": seconds}).status_code == 200

    def fault(self, kind: str, **spec: Any) -> None:
        answer = self.http.post("/sandbox/faults", json={"kind": kind, **spec})
        assert answer.status_code == 201, answer.text

    def state(self) -> Json:
        return self.http.get("/sandbox/state").json()


def app_id() -> str:
    return DEFAULTS.client_id.partition("-")[0]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims(token: str) -> Json:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@dataclass
class Post:
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Json:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A webhook receiver that answers with the next of `answers`, then with 200."""

    server: ThreadingHTTPServer
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/webhooks/"

    def types(self) -> list[str]:
        return [post.json["type"] for post in self.posts]

    def wait_for(self, count: int) -> list[Json]:
        wait_until(lambda: len(self.posts) >= count)
        return [post.json for post in self.posts]


def receiver() -> Receiver:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = made.answers.pop(0) if made.answers else 200
            made.posts.append(Post(body, {name.lower(): text for name, text in self.headers.items()}))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
            pass

    made = Receiver(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    return made
