"""A vendor that accepts the tokens it is given and records its requests: for what the sandbox does not have."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integrations.highlevel.http import wire

API_2 = {"X-RateLimit-Max": "100", "X-RateLimit-Remaining": "99", "X-RateLimit-Interval-Milliseconds": "10000"}


@dataclass
class Listener:
    url: str = ""
    known: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, token
    answer: tuple[int, Any] = (200, {"ok": True})
    headers: dict[str, str] = field(default_factory=dict)  # of API 1.0
    quota: dict[str, str] = field(default_factory=lambda: dict(API_2))  # of API 2.0


def _refusal(path: str) -> dict[str, Any]:
    if path.startswith("/v1"):
        return {"msg": "Api key is invalid."}
    return {"statusCode": 401, "message": "Invalid Private Integration token"}


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            listener.asked.append((self.command, self.path, token))
            status, body = listener.answer if token in listener.known else (401, _refusal(self.path))
            raw = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (listener.headers if self.path.startswith("/v1") else listener.quota).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    listener.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield listener
    finally:
        wire.shared(listener.url).close()
        wire.shared(f"{listener.url}/v1").close()
        server.shutdown()
        server.server_close()
        thread.join()
