"""The way of a browser from our install page to the vendor's and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

from tests.plugin.vendor import FIRST_REDIRECT, SCOPES, Vendor

CALLBACK = "/oauth/callback"


@dataclass
class Browser:
    """Django's test client, which keeps our cookies, and the vendor's pages."""

    client: Client
    vendor: Vendor

    def begin(self, **query: str) -> str:
        """Press Continue on our page; the vendor's address it leads to."""
        answer = self.client.get("/install/", {"go": "1", **query})
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def back(self, address: str, **changed: str) -> Any:
        """Follow the vendor's redirect to our callback, with parameters changed on the way."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == FIRST_REDIRECT
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return self.client.get(CALLBACK, query | changed)

    def install(self, location: str | None = None, **choices: str) -> Any:
        """From our page to the result page: one location, or the whole agency."""
        return self.result(self.back(self.consent(self.begin(), location, **choices)))

    def install_from_marketplace(self, location: str | None = None, **choices: str) -> Any:
        return self.result(self.back(self.consent(self.listing(), location, **choices)))

    def consent(self, url: str, location: str | None = None, **choices: str) -> str:
        if location is not None:
            return self.vendor.single(url, location)
        return self.vendor.consent(url, mode="bulk", all_locations="on", **choices)

    def listing(self) -> str:
        """The link of a marketplace listing: no state."""
        query = {
            "response_type": "code",
            "client_id": self.vendor.options.client_id,
            "redirect_uri": FIRST_REDIRECT,
            "scope": SCOPES,
        }
        return f"{self.vendor.url}/v2/oauth/chooselocation?{urlencode(query).replace('+', '%20')}"

    def result(self, answer: Any) -> Any:
        assert answer.status_code == 302, answer.content
        assert answer["Location"].startswith("/install/done/"), answer["Location"]
        page = self.client.get(answer["Location"])
        assert page.status_code == 200
        return page
