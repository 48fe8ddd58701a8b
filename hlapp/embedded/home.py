"""Directory of one embedded server: data, account, log, and the lock that tells whether the server runs.

::

    <directory>/postgres/lock           held (flock) by the launcher and, inherited, by every server process
    <directory>/postgres/account.json   password and port, 0600
    <directory>/postgres/data/          what the server writes
    <directory>/postgres/log            of the last run

Only the lock tells whether a server runs. The kernel releases it when the last process that inherited it ends,
after `kill -9` too. A lock that can be taken means that no server runs here. Pid files are not trusted.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from hlapp.embedded.errors import OWN_SERVERS, EmbeddedError
from hlapp.embedded.locks import try_lock
from hlapp.embedded.process import server_uid

_PRIVATE = 0o700


@dataclass(frozen=True)
class Account:
    """How to reach a server. The password never enters a command line."""

    password: str
    port: int

    def __repr__(self) -> str:
        return f"Account(port={self.port})"


class ServerDirectory:
    """The directory of one server."""

    def __init__(self, directory: Path, folder: str) -> None:
        private_directory(directory)
        self.path = directory / folder
        private_directory(self.path)
        self.data = self.path / "data"
        self._account = self.path / "account.json"

    def lock(self) -> IO[bytes] | None:
        """Take the lock; None while another launcher, or a server that has not ended yet, holds it."""
        return try_lock(self.path / "lock")

    def log(self) -> IO[bytes]:
        """The log file, emptied, open for the server's output."""
        return (self.path / "log").open("wb")

    def log_text(self) -> str:
        """What the server has written to its log."""
        return (self.path / "log").read_text(errors="replace")

    def account(self) -> Account | None:
        """The account of the server that runs, or last ran, here; None before the first run."""
        try:
            return Account(**json.loads(self._account.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise EmbeddedError(f"{self._account} is damaged: remove {self.path} to start again") from error

    def renew_account(self, *, new_port: bool) -> Account:
        """The account for the next start: password kept, and the port too as long as it is free."""
        account = self.account()
        if account is None and self.data.exists():
            raise EmbeddedError(f"{self._account} is lost, and with it the password: remove {self.path}")
        account = account or Account(secrets.token_urlsafe(24), 0)
        if new_port or not _is_free(account.port):
            account = replace(account, port=_free_port())
        write_private(self._account, json.dumps(asdict(account)))
        return account

    def data_directory(self, path: Path) -> Path:
        """Create `path` for the server's own user."""
        path.mkdir(mode=_PRIVATE)
        if server_uid() != os.geteuid():
            os.chown(path, server_uid(), server_uid())
        return path


def private_directory(path: Path) -> None:
    """Make `path` with mode 0700, or check that it belongs to this user.

    Raises EmbeddedError if it belongs to another user, OSError if it cannot be made.
    """
    path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise EmbeddedError(f"{path} belongs to another user: remove it, or {OWN_SERVERS}")
    if found.st_mode & 0o777 != _PRIVATE:
        path.chmod(_PRIVATE)


def write_private(path: Path, text: str) -> None:
    """Replace a 0600 file as a whole: a reader, or a crash, sees the old text or the new one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    """A port that is free now. Another program may take it before the server does: the launcher then tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
