"""HTTP transport of the API: a `Request` in, a `Response` of any status out, independent of the operation.

It handles tokens and headers. It does not classify statuses, because quota has to be settled from the headers of
refusals too. The caller passes the response to `api_errors.raise_for` next.
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
from integrations.core.sensitive import sensitive
from integrations.highlevel.http import error_rows
from integrations.highlevel.http import rate_headers as rate
from integrations.highlevel.http.json_text import parsed
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.wire import INTO, LARGEST, TOTAL, Limits, Wire
from integrations.highlevel.http.wire import shared as shared_wire

File = tuple[str, bytes | BinaryIO, str]  # name, content (an open file is read in pieces), media type
# A multipart body without parts, which httpx2 leaves out: then a required body would be missing.
_MULTIPART, _NO_PARTS = {"Content-Type": "multipart/form-data; boundary=no-parts"}, b"--no-parts--\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One API request. `path` is already filled and encoded; `timeout` bounds the whole attempt, in seconds.

    At most one of `json` and `form` is set. With `files`, even empty, the form is multipart. `operation` only names the
    call in errors. With an open file `into`, the body of a successful response goes there, up to `largest` bytes.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    version: str | None = None
    token: Secret | None = None
    json: Any = field(default=None, repr=False)
    form: Mapping[str, str | list[str]] | None = field(default=None, repr=False)
    files: Mapping[str, File] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    operation: str = ""
    into: BinaryIO | None = None
    largest: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """One response. `json` is None when the body is empty or is not JSON (then see `body` and `content_type`).

    `sent_at` and `received_at` are `clock.monotonic()` seconds: the last moment before sending, the first after the
    last byte. `retry_after` is in seconds.
    """

    status: int
    json: Any = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str
    rate: RateSnapshot
    retry_after: float | None
    trace_id: str | None
    sent_at: float
    received_at: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # by lower-case name

    @property
    def elapsed(self) -> float:
        """Seconds from sending to the last byte."""
        return self.received_at - self.sent_at


class Transport:
    """Transport to one API base URL over pooled connections. Threads share it; every `send` is one HTTP request."""

    def __init__(self, api_url: str, limits: Limits | None = None, *, wire: Wire | None = None) -> None:
        self.wire = wire or Wire(api_url, limits)
        # It only builds requests: an attempt must not have what its `send` adds (redirects, cookies, hooks).
        self._client = httpx2.Client(transport=self.wire)

    def send(self, request: Request) -> Response:
        """Send one request and return the response of any status.

        Raises Unreachable (context `sent`: whether it may have taken effect) and BadRequest.
        """
        with sensitive():
            built = self._build(request)
            sent_at = clock.monotonic()
            try:
                answer = self.wire.handle_request(built)
            except IntegrationError as error:
                error.annotate(operation=request.operation or f"{request.method} {request.path}")
                raise
            return _response(answer, sent_at, clock.monotonic())

    def close(self) -> None:
        """Close the pooled connections."""
        self.wire.close()

    def _build(self, request: Request) -> httpx2.Request:
        if not request.path.startswith("/") or request.path.startswith("//"):
            raise BadRequest("the path must start with one slash", operation=request.operation)
        extensions: dict[str, Any] = {} if request.timeout is None else {TOTAL: request.timeout}
        if request.into is not None:
            extensions |= {INTO: request.into, LARGEST: request.largest}
        parts = _parts(request)
        try:
            query = "?" + urlencode(request.query, quote_via=quote, safe="") if request.query else ""
            return self._client.build_request(
                request.method,
                f"{self.wire.api_url}{request.path}{query}",
                headers={**_headers(request), **(_MULTIPART if parts == [] else {})},
                content=_NO_PARTS if parts == [] else None,
                json=request.json,
                data=None if request.files is not None else request.form,
                files=parts,
                extensions=extensions,
            )
        except (TypeError, ValueError, httpx2.InvalidURL):
            pass  # the text of these exceptions quotes what was sent
        raise BadRequest("the request cannot be written as HTTP and JSON", operation=request.operation)


def _parts(request: Request) -> list[tuple[str, Any]] | None:
    """A multipart body. httpx2 makes multipart only of files, so each field becomes a file without a name."""
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
    """The token as a header value. A line break or space would split the header. No error message quotes the token."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest("the stored token is not one: connect this account again")
    return text


def _response(answer: httpx2.Response, sent_at: float, received_at: float) -> Response:
    headers = dict(answer.headers.items())  # lower-cased; httpx2's own look-up scans all headers each time
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
        headers=headers,
    )


def shared(api_url: str) -> Transport:
    """The process's transport to this base URL; it shares its connections with OAuth."""
    return _over(shared_wire(api_url))


@lru_cache(maxsize=16)
def _over(wire: Wire) -> Transport:
    """Cached by wire, not by URL: two caches by URL could hold different wires."""
    return Transport(wire.api_url, wire=wire)
