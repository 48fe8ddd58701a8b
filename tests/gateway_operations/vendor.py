"""A HighLevel made of its OpenAPI files and nothing else: it judges each request and answers by the schema."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.gateway_operations import judge
from tests.gateway_operations.samples import sample
from tests.gateway_operations.specification import Specified

# As open as the governor believes: 1,000 calls a second.
RATE = {
    "X-RateLimit-Max": "1000",
    "X-RateLimit-Remaining": "999",
    "X-RateLimit-Interval-Milliseconds": "1000",
    "X-RateLimit-Limit-Daily": "200000",
    "X-RateLimit-Daily-Remaining": "199999",
}


@dataclass
class Specification:
    """`served` are the requested routes, in order; `wrong` what was wrong with each."""

    operations: list[Specified]
    url: str = ""
    served: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The most literal route first: /contacts/search is not the contact called "search".
        ordered = sorted(self.operations, key=lambda o: (o.path.count("{"), -len(o.path)))
        self._routes = [(judge.pattern(o.path), o) for o in ordered]

    async def handle(self, request: web.Request) -> web.Response:
        path = request.raw_path.partition("?")[0]
        found = next((o for route, o in self._routes if o.method == request.method and route.match(path)), None)
        if found is None:
            self.wrong[f"{request.method} {path}"] = ["no such route"]
            return web.json_response({"statusCode": 404, "message": "no such route"}, status=404, headers=RATE)
        self.served.append(found.route)
        wrong = judge.complaints(found, await _received(request, path))
        if wrong:
            self.wrong[found.route] = wrong
            return web.json_response({"statusCode": 422, "message": wrong}, status=422, headers=RATE)
        status, schema = found.answer
        headers = {**RATE, "X-Trace-Id": f"trace-{len(self.served)}"}
        if schema is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(sample(schema, found.document), status=status, headers=headers)


async def _received(request: web.Request, path: str) -> judge.Received:
    fields: dict[str, list[str]] = {}
    if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        for name, value in (await request.post()).items():
            text = value if isinstance(value, str) else value.file.read().decode()  # type: ignore[union-attr]
            fields.setdefault(name, []).append(text)
    return judge.Received(
        raw_path=path,
        query={name: request.query.getall(name) for name in request.query},
        headers=request.headers,
        content_type=request.content_type if request.body_exists else "",
        body=await request.read() if not fields else b"fields",
        fields=fields,
    )


@contextmanager
def serving(application: web.Application) -> Iterator[str]:
    """The application on a free port of 127.0.0.1, in a thread; gives its URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(application, access_log=None)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    url = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=60)
        loop.run_until_complete(runner.cleanup())
        loop.close()
