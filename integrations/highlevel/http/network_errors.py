"""Mapping of the exceptions of httpx2 and httpcore2 to ours, most specific first. No other module maps them.

httpcore2 makes the connections of httpx2; its exceptions have the names of those that httpx2 makes of them.

The question that matters is whether the request may have taken effect: a refresh that was sent may have spent the
refresh token, a refresh that never left has not. When in doubt it counts as sent. The original exception is dropped,
not chained: it holds the request with its Authorization header, and some of its texts quote header values.
"""

from __future__ import annotations

from typing import Any

import httpcore2
import httpx2

from integrations.core.errors import BadRequest, IntegrationError, Unreachable

# (exception, error, sent, what happened to a request to `peer`). Order matters: subclasses come before their bases.
ROWS: tuple[tuple[type[Exception], type[IntegrationError], bool, str], ...] = (
    (httpx2.ConnectTimeout, Unreachable, False, "{peer} did not take the connection in time"),
    (httpx2.PoolTimeout, Unreachable, False, "no connection to {peer} was free in time"),
    (httpx2.ConnectError, Unreachable, False, "{peer} cannot be reached"),
    (httpx2.ProxyError, Unreachable, False, "the proxy on the way to {peer} refused"),
    (httpx2.ReadTimeout, Unreachable, True, "{peer} did not answer in time"),
    (httpx2.WriteTimeout, Unreachable, True, "the request could not be sent in time"),
    (httpx2.TimeoutException, Unreachable, True, "{peer} did not answer in time"),
    (httpx2.ReadError, Unreachable, True, "the connection broke before the answer was complete"),
    (httpx2.WriteError, Unreachable, True, "the connection broke while the request was sent"),
    (httpx2.CloseError, Unreachable, True, "the connection broke while it was closed"),
    (httpx2.NetworkError, Unreachable, True, "the connection broke"),
    (httpx2.RemoteProtocolError, Unreachable, True, "the answer is not HTTP or was cut short"),
    (httpx2.LocalProtocolError, BadRequest, False, "the request cannot be written as HTTP"),
    (httpx2.ProtocolError, Unreachable, True, "the answer is not HTTP"),
    (httpx2.UnsupportedProtocol, BadRequest, False, "the URL must start with https:// or http://"),
    (httpx2.TransportError, Unreachable, True, "the transport failed"),
    (httpx2.DecodingError, Unreachable, True, "the answer's compression is broken"),
    (httpx2.TooManyRedirects, Unreachable, True, "the answer redirects without end"),
    (httpx2.HTTPStatusError, Unreachable, True, "the answer is an error page"),
    (httpx2.RequestError, Unreachable, True, "the request failed"),
    (httpx2.HTTPError, Unreachable, True, "the request failed"),
    (httpx2.InvalidURL, BadRequest, False, "the URL is not valid"),
    (httpx2.CookieConflict, Unreachable, True, "the answer's cookies contradict each other"),
    (httpx2.StreamError, Unreachable, True, "the answer could not be read"),
)
FOREIGN: tuple[type[Exception], ...] = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.CookieConflict,
    httpx2.StreamError,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)


def mapped(fault: Exception, *, peer: str = "HighLevel", **context: Any) -> IntegrationError:
    """Our error for an exception of httpx2 or httpcore2. `peer` names the server.

    The error's context has `sent`, `cause` (the name of the exception's class) and what the caller adds.
    """
    names = {base.__name__ for base in type(fault).__mro__} if isinstance(fault, FOREIGN) else set()
    for foreign, kind, sent, happened in ROWS:
        if foreign.__name__ in names:
            return kind(happened.format(peer=peer), sent=sent, cause=type(fault).__name__, **context)
    raise TypeError(f"{type(fault).__name__} is not an exception of httpx2 or httpcore2")
