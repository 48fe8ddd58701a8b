"""Ids that every log line has while its work goes on.

`request_id` and `trace` of a web request, and of the tasks that it enqueues; `task`; `tenant` (`location:<id>`); `run`;
`webhook_id` of an event. `trace` is the id of a W3C trace; `trace_id` in a line is HighLevel's, of a refused call. They
belong to the thread that works, so lines of libraries have them too. A message to a worker carries the first two, and
nothing else (`carried`): whatever else a task needs, it reads from its row.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

# Ids that came from outside are written to logs and sent on, so nothing but an id may be in them.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # W3C
_TRACE = re.compile(r"(?!0{32})[0-9a-f]{32}")
_CARRIED = "request_id", "trace"

_ids: ContextVar[Mapping[str, Any]] = ContextVar("log_scope", default=MappingProxyType({}))


@contextmanager
def scope(**ids: Any) -> Iterator[None]:
    """Lines that are logged inside have these ids besides those around. Empty ones are left out."""
    token = _ids.set({**_ids.get(), **_given(ids)})
    try:
        yield
    finally:
        _ids.reset(token)


def note(**ids: Any) -> None:
    """Add ids until the scope around ends; outside of any they would stay for ever, so nothing is added."""
    if around := _ids.get():
        _ids.set({**around, **_given(ids)})


def begin(**ids: Any) -> None:
    """Replace all ids of this thread: a server's thread begins with the next request."""
    _ids.set(_given(ids))


def current() -> Mapping[str, Any]:
    """The ids of this thread's work."""
    return _ids.get()


def carried() -> dict[str, str]:
    """The ids that a message to a worker carries, as its headers."""
    ids = _ids.get()
    return {name: ids[name] for name in _CARRIED if name in ids}


def of_message(headers: Mapping[str, Any]) -> dict[str, str]:
    """The ids that a message carries. Without a trace its task begins one."""
    request_id, trace = headers.get("request_id"), headers.get("trace")
    ids = {"trace": str(trace) if _is(_TRACE, trace) else secrets.token_hex(16)}
    return {"request_id": str(request_id), **ids} if _is(_REQUEST_ID, request_id) else ids


def of_request(request_id: str, trace_parent: str, *, behind_proxy: bool) -> dict[str, str]:
    """The ids of a web request: those that a proxy gave it in `X-Request-ID` and `traceparent`, else new ones.

    Without a proxy a client could choose them.
    """
    found = _TRACE_PARENT.fullmatch(trace_parent) if behind_proxy else None
    return {
        "request_id": request_id if behind_proxy and _is(_REQUEST_ID, request_id) else secrets.token_hex(8),
        "trace": found[1] if found else secrets.token_hex(16),
    }


def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: adds the ids to a line, but for those that it gives itself."""
    for name, value in _ids.get().items():
        event.setdefault(name, value)
    return event


def _given(ids: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ids.items() if value not in (None, "")}


def _is(shape: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and shape.fullmatch(text) is not None
