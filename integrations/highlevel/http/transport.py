"""HTTP transport of the API: a `Request` in, a `Response` of any status out, independent of the operation.

It handles tokens and headers. It does not classify statuses, because quota has to be settled from the headers of
refusals too. The caller passes the response to `api_errors.raise_for` next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode

import httpcore2
import httpx2

from integrations.core import clock
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.highlevel.http import error_rows
from integrations.highlevel.http import rate_headers as rate
from integrations.highlevel.http.json_text import parsed
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.wire import INTO, LARGEST, TOTAL, Limits, Wire, WireAnswer
from integrations.highlevel.http.wire import shared as shared_wire

File = tuple[str, bytes | BinaryIO, str]  # name, content (an open file is read in pieces), media type
# A multipart body without parts, which httpx2 leaves out: then a required body would be missing.
_MULTIPART, _NO_PARTS = {"Content-Type": "multipart/form-data; boundary=no-parts"}, b"--no-parts--\r\n"
# A path that httpx2 would send as it is, if it has no dot segments; it judges and encodes all others.
_ENCODED = re.compile(r"(?:[A-Za-z0-9_~!$&'()*+,;=:@/.-]|%[0-9A-Fa-f]{2})*")
_SHORT = 4096  # characters of path and query; httpx2 knows which URLs are too long
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_NOWHERE = httpx2.URL("/")
_Headers = dict[bytes, tuple[bytes, bytes]]  # name and value by lower-case name


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
    secret_headers: Mapping[str, Secret] = field(default_factory=dict)
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


@lru_cache(maxsize=1)
def _headers_of_httpx2() -> list[tuple[bytes, bytes]]:
    """The headers of every request. Asked once: a client of httpx2 reads the certificates of all authorities."""
    with httpx2.Client() as client:
        return client.headers.raw


class Transport:
    """Transport to one API base URL over pooled connections. Threads share it; every `send` is one HTTP request."""

    def __init__(self, api_url: str, limits: Limits | None = None, *, wire: Wire | None = None) -> None:
        self.wire = wire or Wire(api_url, limits)
        base = httpx2.URL(self.wire.api_url)
        self._origin = base.raw_scheme, base.raw_host, base.port
        self._base_path = base.raw_path.rstrip(b"/")
        self._always: _Headers = {b"host": (b"Host", base.netloc)}
        self._always |= {name.lower(): (name, value) for name, value in _headers_of_httpx2()}

    def send(self, request: Request) -> Response:
        """Send one request and return the response of any status.

        Raises Unreachable (`sent`: whether it may have taken effect) and BadRequest.
        """
        with sensitive():
            built = self._build(request)
            sent_at = clock.monotonic()
            try:
                answer = self.wire.exchange(built)
            except IntegrationError as error:
                error.operation = request.operation or f"{request.method} {request.path}"
                raise
            return _response(answer, sent_at, clock.monotonic())

    def close(self) -> None:
        """Close the pooled connections."""
        self.wire.close()

    def _build(self, request: Request) -> httpcore2.Request:
        if not request.path.startswith("/") or request.path.startswith("//"):
            raise BadRequest("the path must start with one slash", operation=request.operation)
        extensions: dict[str, Any] = {} if request.timeout is None else {TOTAL: request.timeout}
        if request.into is not None:
            extensions |= {INTO: request.into, LARGEST: request.largest}
        try:
            own, content = _body(request)
            own |= {name.lower(): (name, value) for name, value in _headers(request)}
            return httpcore2.Request(
                request.method.upper(),
                self._url(request),
                headers=list((self._always | own).values()),
                content=content,
                extensions=extensions,
            )
        except (TypeError, ValueError, httpx2.InvalidURL):
            pass  # the text of these exceptions quotes what was sent
        raise BadRequest("the request cannot be written as HTTP and JSON", operation=request.operation)

    def _url(self, request: Request) -> httpcore2.URL:
        """The URL as bytes. httpx2 encodes what a path may not hold, and removes its dot segments."""
        path, query = request.path, "?" + urlencode(request.query, quote_via=quote, safe="") if request.query else ""
        if _ENCODED.fullmatch(path) and "/." not in path and len(path) + len(query) < _SHORT:
            target = self._base_path + f"{path}{query}".encode()
        else:
            target = httpx2.URL(f"{self.wire.api_url}{path}{query}").raw_path
        scheme, host, port = self._origin
        return httpcore2.URL(scheme=scheme, host=host, port=port, target=target)


def _body(request: Request) -> tuple[_Headers, Iterable[bytes] | None]:
    """The body as httpx2 writes it, and the headers that describe it."""
    parts = _parts(request)
    if request.method in _WITHOUT_BODY and parts is None and request.json is None and request.form is None:
        return {}, None
    made = httpx2.Request(
        request.method,
        _NOWHERE,
        headers={**request.headers, **(_MULTIPART if parts == [] else {})},
        content=_NO_PARTS if parts == [] else None,
        json=request.json,
        data=None if request.files is not None else request.form,
        files=parts,
    )
    described = {name.lower(): (name, value) for name, value in made.headers.raw}
    return described, cast(Iterable[bytes], made.stream)


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


def _headers(request: Request) -> Iterator[tuple[bytes, bytes]]:
    yield b"Accept", b"application/json"
    for name, value in request.headers.items():
        yield name.encode("ascii"), value.encode("ascii")
    for name, secret in request.secret_headers.items():
        yield name.encode("ascii"), _sendable(secret).encode()
    if request.version:
        yield b"Version", request.version.encode("ascii")
    if request.token is not None:
        yield b"Authorization", f"Bearer {_sendable(request.token)}".encode()


def _sendable(token: Secret) -> str:
    """The token as a header value. A line break or space would split the header. No error message quotes the token."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest("the stored token is not one: connect this account again")
    return text


def _response(answer: WireAnswer, sent_at: float, received_at: float) -> Response:
    headers = _by_name(answer.headers)
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    body = parsed(answer.body)
    return Response(
        status=answer.status,
        json=body,
        body=answer.body,
        content_type=content_type,
        rate=rate.snapshot(headers),
        retry_after=rate.retry_after(headers),
        trace_id=error_rows.trace_id_of(body) or headers.get("x-trace-id"),
        sent_at=sent_at,
        received_at=received_at,
        headers=headers,
    )


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; the values of one that was sent more than once are joined (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.lower().decode("latin-1")
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def shared(api_url: str) -> Transport:
    """The process's transport to this base URL; it shares its connections with OAuth."""
    return _over(shared_wire(api_url))


@lru_cache(maxsize=16)
def _over(wire: Wire) -> Transport:
    """Cached by wire, not by URL: two caches by URL could hold different wires."""
    return Transport(wire.api_url, wire=wire)
