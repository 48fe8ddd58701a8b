"""The pair of servers that development, the demo and the tests use when the environment names none."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from hlapp.embedded import binaries
from hlapp.embedded.engine import Engine
from hlapp.embedded.errors import unusable
from hlapp.embedded.home import ServerDirectory, private_directory
from hlapp.embedded.launch import TIMEOUT, Handle, obtain
from hlapp.embedded.locks import waiting_lock
from hlapp.embedded.postgres import Postgres
from hlapp.embedded.valkey import Valkey


class Services:
    """Servers that answer. Empty URLs are those of servers that were not asked for."""

    def __init__(self, handles: dict[str, Handle]) -> None:
        self._handles = handles
        self._launcher = os.getpid()

    @property
    def database_url(self) -> str:
        """URL of PostgreSQL, empty when it was not asked for."""
        return self._url("postgres")

    @property
    def redis_url(self) -> str:
        """URL of Valkey, empty when it was not asked for."""
        return self._url("valkey")

    @property
    def joined(self) -> bool:
        """True if another process runs every one of them, and `stop` therefore ends none."""
        return all(handle.server is None for handle in self._handles.values())

    def stop(self) -> None:
        """End the servers that we started; safe to repeat. A forked child never ends its parent's."""
        if os.getpid() == self._launcher:
            for handle in self._handles.values():
                handle.stop()

    def restart_ended(self) -> list[str]:
        """Restart servers that have ended; returns their names. For a process that outlives the one that started them.

        Raises EmbeddedError.
        """
        return [handle.engine.name for handle in self._handles.values() if handle.restart_ended()]

    def _url(self, folder: str) -> str:
        handle = self._handles.get(folder)
        return handle.url if handle else ""


def start(directory: Path, *, durable: bool = True, database: bool = True, redis: bool = True) -> Services:
    """Start PostgreSQL and Valkey with their state below `directory`, or join those that run there already.

    `durable=False` is for data that the caller throws away: no fsync, no snapshot. Call it from the main
    thread, whose end ends the servers. Raises EmbeddedError with one line that says what to do.
    """
    wanted: list[Engine] = []
    if database:
        wanted.append(Postgres(durable))
    if redis:
        wanted.append(Valkey(durable))
    directory = directory.absolute()
    binaries.check_platform()
    try:
        private_directory(directory)
        # One start at a time: of two at once, neither shall own one server and join the other's.
        with waiting_lock(directory / "starting.lock", TIMEOUT):
            return Services(_obtain(wanted, directory))
    except OSError as error:
        raise unusable(error, directory) from error


def _obtain(wanted: list[Engine], directory: Path) -> dict[str, Handle]:
    handles: dict[str, Handle] = {}
    with ExitStack() as undo:
        for engine in wanted:
            handles[engine.folder] = obtain(engine, ServerDirectory(directory, engine.folder))
            undo.callback(handles[engine.folder].stop)
        undo.pop_all()
    return handles
