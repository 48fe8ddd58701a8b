"""Starts one embedded server, or joins the one that another process already runs in the same directory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import IO

from hlapp.embedded import process
from hlapp.embedded.engine import Engine
from hlapp.embedded.errors import OWN_SERVERS, EmbeddedError, from_output
from hlapp.embedded.home import Account, ServerDirectory
from integrations.core import clock

_PORT_TRIES = 5
TIMEOUT = 30.0  # seconds for a start, a stop, or for the servers of a killed run to end
_TICK = 0.02
_TAKEN = "Address already in use"


@dataclass
class Handle:
    """A server in use. `server` is None when another process started it; `stop` then leaves it running."""

    engine: Engine
    home: ServerDirectory
    account: Account
    server: process.Server | None = None
    lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the server, with its password."""
        return self.engine.url(self.account)

    def stop(self) -> None:
        """End the server if this process started it; release its lock."""
        if self.server is not None:
            self.server.stop(self.engine.stop_signal, TIMEOUT)
        if self.lock is not None:
            self.lock.close()
        self.server = self.lock = None

    def restart_ended(self) -> bool:
        """Start the server again at the same address if it has ended, also when another process had started it.

        False when it runs. Raises EmbeddedError.
        """
        if self.server is not None and self.server.alive:
            return False
        self.stop()
        lock = self.home.lock()
        if lock is None:
            return False
        lock.close()
        again = obtain(self.engine, self.home)
        if again.url != self.url:
            again.stop()
            raise EmbeddedError(f"{self.engine.name} has ended and its port was taken meanwhile: start again")
        self.server, self.lock = again.server, again.lock
        return True


def obtain(engine: Engine, home: ServerDirectory) -> Handle:
    """Start a server, or join the one that runs, and return it once it is ready. Raises EmbeddedError.

    A held lock means a live server, one that is still starting, or one about to end after its launcher was
    killed. The loop tries to start and to join in turn until one works.
    """
    deadline = clock.monotonic() + TIMEOUT
    while clock.monotonic() < deadline:
        lock = home.lock()
        if lock is not None:
            return _start(engine, home, lock)
        account = home.account()
        if account is not None and engine.is_ready(account):
            return Handle(engine, home, account)
        clock.sleep(_TICK)
    busy = f"{engine.name} in {home.path} is held by another process but does not answer"
    raise EmbeddedError(f"{busy}: end that process, or {OWN_SERVERS}")


def _start(engine: Engine, home: ServerDirectory, lock: IO[bytes]) -> Handle:
    if threading.current_thread() is not threading.main_thread():
        lock.close()
        raise RuntimeError("start servers from the main thread: they end with the thread that started them")
    try:
        for attempt in range(_PORT_TRIES):
            account = home.renew_account(new_port=attempt > 0)
            engine.create(home, account, lock)
            server = _run(engine, home, account, lock)
            if server is not None:
                return Handle(engine, home, account, server, lock)
    except BaseException:
        lock.close()
        raise
    lock.close()
    raise EmbeddedError(f"{engine.name} found no free port on 127.0.0.1 in {_PORT_TRIES} tries: try again")


def _run(engine: Engine, home: ServerDirectory, account: Account, lock: IO[bytes]) -> process.Server | None:
    """The server once it is ready; None if another program took its port first."""
    command = process.ServerCommand(
        engine.argv(home, account), home.data, engine.input(account), engine.stop_signal, lock.fileno()
    )
    with home.log() as log:
        server = process.Server(command, log)
    try:
        _await(engine, server, account)
    except BaseException:
        server.stop(engine.stop_signal, TIMEOUT)
        raise
    if server.alive:
        return server
    if _TAKEN in home.log_text():
        return None
    raise from_output(engine.name, home.log_text(), home.path)


def _await(engine: Engine, server: process.Server, account: Account) -> None:
    """Return when it is ready or has ended."""
    deadline = clock.monotonic() + TIMEOUT
    while server.alive and not engine.is_ready(account):
        if clock.monotonic() > deadline:
            raise EmbeddedError(f"{engine.name} did not answer within {TIMEOUT:.0f} s; is the machine overloaded?")
        clock.sleep(_TICK)
