"""PostgreSQL and Valkey for one test run: those of the environment, else embedded ones that are thrown away.

With pytest-xdist the controller starts them and the workers inherit the URLs; each worker has a Redis database
of its own, as pytest-django gives each a database of its own in PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis

from hlapp import embedded

_PREFIX = "hlapp-test-"
_FORGOTTEN_AFTER = 86_400  # seconds
_REDIS_DATABASES = 16  # what a server has by default


class Servers:
    """The embedded servers of this run, if it needed any."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._launcher = os.getpid()
        self._directory: Path | None = None
        self._running: embedded.Services | None = None
        database, redis = not environ.get("DATABASE_URL"), not environ.get("REDIS_URL")
        if database or redis:
            running = self._start(database=database, redis=redis)
            environ["DATABASE_URL"] = running.database_url or environ["DATABASE_URL"]
            environ["REDIS_URL"] = running.redis_url or environ["REDIS_URL"]

    def _start(self, *, database: bool, redis: bool) -> embedded.Services:
        _sweep()
        self._directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            self._running = embedded.start(self._directory, durable=False, database=database, redis=redis)
        except BaseException:
            self.stop()
            raise
        return self._running

    def stop(self) -> None:
        """End them and remove their data; a forked child leaves both to its parent."""
        if os.getpid() != self._launcher:
            return
        if self._running is not None:
            self._running.stop()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def take_own_redis_database(environ: MutableMapping[str, str], worker: str) -> None:
    """Point REDIS_URL of xdist's `worker` ("gw0", "gw1", …) at a database that no other worker uses."""
    parts = urlsplit(environ["REDIS_URL"])
    first = int(parts.path.strip("/") or 0)
    number = (first + 1 + int(worker.removeprefix("gw"))) % _REDIS_DATABASES
    environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{number}"))


def empty(store: redis.Redis) -> None:
    """Remove everything, as long ago as the governor needs to believe that nothing was lost (`quota/age.lua`)."""
    store.flushdb()
    store.set("hlapp:since", f"{store.info('server')['run_id']} 0")


def _sweep() -> None:
    """Remove what runs that were killed, and so could not tidy up, left behind."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):
            found = directory.stat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _FORGOTTEN_AFTER:
                shutil.rmtree(directory, ignore_errors=True)
