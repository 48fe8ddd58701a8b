"""The last requests for operations, as the vendor got them, for tests: `GET /sandbox/requests`.

A request is noted before anything else happens to it, so one that a fault rule refuses is there too. Only JSON bodies
are kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

KEPT = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `body` is its JSON, None without one."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class RequestLog:
    """The newest KEPT requests."""

    def __init__(self) -> None:
        self._kept: deque[Asked] = deque(maxlen=KEPT)

    async def note(self, request: web.Request) -> None:
        """Keep a request. Its body stays readable for the handler."""
        body = None
        if request.content_type == "application/json" and request.can_read_body:
            try:
                body = await request.json()
            except ValueError:  # the gate refuses it
                body = None
        self._kept.append(Asked(request.method, request.path, dict(request.query), body))

    def listed(self) -> list[dict[str, Any]]:
        """All of them as JSON, the oldest first."""
        return [asdict(asked) for asked in self._kept]
