"""One HTTPS request with the standard library: fetches the key ring, or sends a body; no redirect leaves the host.

The request runs on a thread that the caller abandons at the deadline. urllib bounds each read, but neither a name
look-up that hangs nor a server that sends one byte a second.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import ssl
import threading
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import SplitResult, unquote, urlsplit

_LARGEST_UNREAD = 65_536  # bytes of an answer that are left unread


class NoAnswer(Exception):
    """No response that could be a key ring, or none at all. The message names the host and repeats nothing else."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if _origin(urlsplit(newurl)) != _origin(urlsplit(req.full_url)):
            fp.close()
            raise NoAnswer(f"names a URL that redirects elsewhere: {req.host}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def get(url: str, *, timeout: float, largest: int) -> bytes:
    """The body of the 200 answer. Raises NoAnswer."""
    return _ask(*_request(url), timeout=timeout, largest=largest)


def put(url: str, body: bytes, *, timeout: float, headers: dict[str, str]) -> None:
    """Send the body by PUT, with these headers. Raises NoAnswer unless the answer is a success."""
    _send("PUT", url, body, timeout=timeout, headers=headers)


def post(url: str, body: bytes, *, timeout: float, headers: dict[str, str]) -> None:
    """As `put`, by POST."""
    _send("POST", url, body, timeout=timeout, headers=headers)


def _send(method: str, url: str, body: bytes, *, timeout: float, headers: dict[str, str]) -> None:
    request, host = _request(url)
    request.method, request.data = method, body
    for name, value in headers.items():
        request.add_header(name, value)
    _ask(request, host, timeout=timeout, largest=_LARGEST_UNREAD)


def _ask(request: urllib.request.Request, host: str, *, timeout: float, largest: int) -> bytes:
    outcome: list[bytes | NoAnswer] = []

    def ask() -> None:
        try:
            outcome.append(_fetch(request, host, timeout=timeout, largest=largest))
        except NoAnswer as error:
            outcome.append(error)
        except Exception as error:  # the message may repeat what was sent or received
            outcome.append(NoAnswer(f"names a URL that cannot be read: {host}: {type(error).__name__}"))

    thread = threading.Thread(target=ask, name="vault-keys", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise NoAnswer(f"names a URL that took over {timeout:g} s: {host}")
    found = outcome[0]
    if isinstance(found, NoAnswer):
        raise found
    return found


def _request(url: str) -> tuple[urllib.request.Request, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoAnswer("names a URL that is malformed") from None
    if not host:
        raise NoAnswer("names a URL without a host")
    if parts.scheme != "https" and not _is_loopback(host):
        raise NoAnswer(f"names a URL that is not https: {host}")
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port is None else f"{shown}:{port}"
    request = urllib.request.Request(parts._replace(netloc=netloc, fragment="").geturl())  # noqa: S310 - checked above
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request, netloc


def _fetch(request: urllib.request.Request, host: str, *, timeout: float, largest: int) -> bytes:
    # Plain HTTP is for this machine, so it must not go through a proxy either.
    direct = [urllib.request.ProxyHandler({})] if request.type == "http" else []
    try:
        with urllib.request.build_opener(_SameHost, *direct).open(request, timeout=timeout) as answer:
            status, body = int(answer.status), bytes(answer.read(largest + 1))
    except urllib.error.HTTPError as error:
        error.close()
        raise NoAnswer(f"names a URL that answered {error.code}: {host}") from None
    except http.client.HTTPException:
        raise NoAnswer(f"names a URL that does not answer in HTTP: {host}") from None
    except OSError as error:
        raise NoAnswer(f"names a URL that cannot be reached: {host}: {_reason(error)}") from None
    if status != http.HTTPStatus.OK and request.data is None:  # an error status has raised HTTPError
        raise NoAnswer(f"names a URL that answered {status}: {host}")
    if len(body) > largest:
        raise NoAnswer(f"names a URL that sent over {largest} bytes, which is no key ring: {host}")
    return body


def _reason(error: OSError) -> str:
    """The reason in words; URLError wraps the real error in `reason`."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message
    return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
