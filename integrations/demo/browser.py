"""Minimal HTTP browser for the install flow: cookies, redirects and one form, no JavaScript."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin

from integrations.demo.failure import DemoFailed

_TIMEOUT = 30.0


class Browser:
    """Follows redirects and keeps cookies, like the agency admin's."""

    def __init__(self) -> None:
        # A proxy in the environment must not get requests to 127.0.0.1.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
        )
        self.url = ""

    def get(self, url: str) -> str:
        """GET `url`; the body as text. Raises DemoFailed unless it answers with success."""
        return self._open(urllib.request.Request(url))  # noqa: S310 - URLs of our own

    def post(self, url: str, fields: dict[str, str]) -> str:
        """POST form `fields` to `url`; the body as text. Raises DemoFailed."""
        return self._open(urllib.request.Request(url, data=urlencode(fields).encode()))  # noqa: S310

    def post_json(self, url: str, body: Any) -> Any:
        """POST `body` as JSON; the parsed answer, None when it is empty. Raises DemoFailed."""
        request = urllib.request.Request(  # noqa: S310
            url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        return json.loads(self._open(request) or "null")

    def json(self, url: str) -> Any:
        """GET `url`; the parsed JSON. Raises DemoFailed."""
        return json.loads(self.get(url))

    def submit(self, page: str, choices: dict[str, str]) -> str:
        """Send the page's first form with its hidden fields and these choices."""
        form = _Form()
        form.feed(page)
        if form.action is None:
            raise DemoFailed(f"{self.url} has no form")
        return self.post(urljoin(self.url, form.action), {**form.hidden, **choices})

    def answers(self, url: str) -> bool:
        """Whether GET `url` answers with success."""
        try:
            self.get(url)
        except DemoFailed:
            return False
        return True

    def _open(self, request: urllib.request.Request) -> str:
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                self.url = answer.url
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise DemoFailed(f"{request.full_url.partition('?')[0]} answered {error.code}") from error
        except OSError as error:
            raise DemoFailed(f"{request.full_url.partition('?')[0]} does not answer ({error})") from error


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action") or ""
        if tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.hidden[str(values["name"])] = values.get("value") or ""
