"""A real web server for tests: gunicorn as operators start it, on this run's own database."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from tests.support.processes import Process, free_port, running
from tests.support.waiting import wait_until

_OPTIONS = "--workers 1 --log-level error"


@dataclass(frozen=True)
class Answer:
    """An HTTP response, and how many seconds it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Web:
    """A running gunicorn, and its process: the arbiter."""

    port: int
    process: Process

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, b"", headers)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return self._ask("POST", path, body, headers)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        started = monotonic()
        try:
            line.request(method, path, body or None, headers)
            answer = line.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read(), monotonic() - started)
        finally:
            line.close()

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False


@contextmanager
def gunicorn(*, stderr: int | None = None, **environment: str) -> Iterator[Web]:
    """One gunicorn process with eight threads, answering."""
    port = free_port()
    arguments = f"hlapp.wsgi --bind 127.0.0.1:{port} {_OPTIONS}".split()
    with running("-m", "gunicorn", *arguments, stderr=stderr, **{"LOG_LEVEL": "CRITICAL", **environment}) as process:
        web = Web(port, process)
        wait_until(lambda: web.answers() or process.poll() is not None)
        assert process.poll() is None, "gunicorn did not start"
        yield web
        process.terminate()
        process.wait(30)
