"""The API client: a `Request` in, a `Response` out, whatever its status. It knows tokens and headers, no
operation.

Statuses are not judged here: quota has to be settled from the headers of refusals too.
`api_errors.raise_for` does that next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import httpx2

from integrations.core import clock
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.secret import Secret
from integrations.highlevel.http import error_rows
from integrations.highlevel.http import rate_headers as rate
from integrations.highlevel.http.json_text import parsed
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.wire import INTO, LARGEST, TOTAL, Limits, Wire
from integrations.highlevel.http.wire import shared as shared_wire

File = tuple[str, bytes | BinaryIO, str]  # name, content (an open file is read in pieces), media type


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `path` is already filled and encoded; `timeout` is the whole attempt's, in seconds.

    At most one of `json` and `form`; with `files`, be it empty, the form is a multipart one. `operation` only names
    the call in errors. A good answer's body goes to the file `into`, if there is one, up to `largest` bytes.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    version: str | None = None
    token: Secret | None = None
    json: Any = None
    form: Mapping[str, str | list[str]] | None = None
    files: Mapping[str, File] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    operation: str = ""
    into: BinaryIO | None = None
    largest: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `json` is None when the body is empty or is not JSON (then look at `body` and
    `content_type`).

    `sent_at` and `received_at` are `clock.monotonic()` seconds: the last moment before sending, the first
    after the last byte. `retry_after` is in seconds.
    """

    status: int
    json: Any
    body: bytes = field(repr=False)
    content_type: str
    rate: RateSnapshot
    retry_after: float | None
    trace_id: str | None
    sent_at: float
    received_at: float

    @property
    def elapsed(self) -> float:
        return self.received_at - self.sent_at


class Transport:
    """Calls one API address over pooled connections. Threads share it; every `send` is one HTTP request."""

    def __init__(self, api_url: str, limits: Limits | None = None, *, wire: Wire | None = None) -> None:
        self.wire = wire or Wire(api_url, limits)
        # It only builds requests: what its `send` adds (redirects, cookies, hooks) is none of an attempt's business.
        self._client = httpx2.Client(transport=self.wire)

    def send(self, request: Request) -> Response:
        """Raises Unreachable (context `sent`: may it have had its effect?) and BadRequest. Any status is
        returned.
        """
        built = self._build(request)
        sent_at = clock.monotonic()
        try:
            answer = self.wire.handle_request(built)
        except IntegrationError as error:
            error.annotate(operation=request.operation or f"{request.method} {request.path}")
            raise
        return _response(answer, sent_at, clock.monotonic())

    def close(self) -> None:
        self.wire.close()

    def _build(self, request: Request) -> httpx2.Request:
        if not request.path.startswith("/") or request.path.startswith("//"):
            raise BadRequest("the path must start with one slash", operation=request.operation)
        extensions: dict[str, Any] = {} if request.timeout is None else {TOTAL: request.timeout}
        if request.into is not None:
            extensions |= {INTO: request.into, LARGEST: request.largest}
        try:
            query = "?" + urlencode(request.query, quote_via=quote, safe="") if request.query else ""
            return self._client.build_request(
                request.method,
                f"{self.wire.api_url}{request.path}{query}",
                headers=_headers(request),
                json=request.json,
                data=None if request.files is not None else request.form,
                files=_parts(request),
                extensions=extensions,
            )
        except (TypeError, ValueError, httpx2.InvalidURL):
            pass  # the text of these quotes what was sent
        raise BadRequest("the request cannot be written as HTTP and JSON", operation=request.operation)


def _parts(request: Request) -> list[tuple[str, Any]] | None:
    """A multipart body. httpx2 makes one of files only, so a field goes as a file without a name."""
    if request.files is None:
        return None
    fields = [
        (name, (None, text))
        for name, value in (request.form or {}).items()
        for text in (value if isinstance(value, list) else [value])
    ]
    return [*fields, *request.files.items()]


def _headers(request: Request) -> dict[str, str]:
    headers = {"Accept": "application/json", **request.headers}
    if request.version:
        headers["Version"] = request.version
    if request.token is not None:
        headers["Authorization"] = f"Bearer {_sendable(request.token)}"
    return headers


def _sendable(token: Secret) -> str:
    """A token with a line break or a space would split the header; its text must not reach an error
    message.
    """
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest("the stored token is not one: connect this account again")
    return text


def _response(answer: httpx2.Response, sent_at: float, received_at: float) -> Response:
    headers = dict(answer.headers.items())  # in lower case; each look-up in httpx2's own walks through all of them
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    body = parsed(answer.content)
    return Response(
        status=answer.status_code,
        json=body,
        body=answer.content,
        content_type=content_type,
        rate=rate.snapshot(headers),
        retry_after=rate.retry_after(headers),
        trace_id=error_rows.trace_id_of(body) or headers.get("x-trace-id"),
        sent_at=sent_at,
        received_at=received_at,
    )


def shared(api_url: str) -> Transport:
    """The process's transport to this address; it shares its connections with OAuth."""
    return _over(shared_wire(api_url))


@lru_cache(maxsize=16)
def _over(wire: Wire) -> Transport:
    """Kept by the wire and not by the address: two caches of addresses could come to hold different wires."""
    return Transport(wire.api_url, wire=wire)
