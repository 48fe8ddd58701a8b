"""A vendor with planned answers, in order, and then 200. It records the requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

# As the vendor's own: 100 calls in ten seconds.
RATE = {
    "X-RateLimit-Max": "100",
    "X-RateLimit-Remaining": "99",
    "X-RateLimit-Interval-Milliseconds": "10000",
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "199999",
}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Scripted:
    """`requests` has method, path and token of each request, `planned` the next answers."""

    url: str = ""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    planned: list[Answer] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def plan(self, *answers: Answer) -> None:
        self.planned += answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append((request.method, request.path, token))
        if self.planned:
            return await self.planned.pop(0)(request)
        return web.json_response({"ok": True}, headers=RATE)


def status(code: int, message: str = "", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"statusCode": code, "message": message}, status=code, headers={**RATE, **headers})

    return answer


def json(body: object, code: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code, headers=RATE)

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The request was read, and the connection ends without an answer."""
    await request.read()
    assert request.transport is not None
    request.transport.close()
    return web.Response()
