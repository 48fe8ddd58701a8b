"""The embedded PostgreSQL: TCP on loopback, SCRAM, a superuser with a generated password.

As root the server runs as another user, who must reach its data although the directories above are private.
So it is started *inside* its data directory, which is given to it as `/proc/self/cwd`. This link leads there without
any directory above it, for the server and for every process that it forks.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM
from typing import IO

import psycopg

from hlapp.embedded import binaries, process
from hlapp.embedded.errors import EmbeddedError, from_output
from hlapp.embedded.home import Account, ServerDirectory

_USER = "postgres"
_INITDB = (
    f"--username={_USER}",
    "--auth=scram-sha-256",
    "--pwfile=/dev/stdin",
    "--encoding=UTF8",
    # Independent of the locales that the machine happens to have.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path may hold 107 bytes, a project's path may be longer.
    "unix_socket_directories": "",
    "timezone": "UTC",
    "shared_buffers": "64MB",
    # For the demo's processes, or for several tests at once that each start real workers with a pool of twenty.
    "max_connections": "250",
    # Parallel queries need shared memory, of which containers have 64 MB; here they gain nothing.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_min_messages": "error",
}
# A crash of the machine may destroy the data; a crash of the server does not.
_THROWAWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True)
class Postgres:
    """See `engine.Engine`."""

    durable: bool
    name: str = "PostgreSQL"
    folder: str = "postgres"

    @property
    def stop_signal(self) -> int:
        """Fast shutdown for data that lasts, immediate shutdown for throwaway data."""
        # Fast shutdown ends sessions and writes a checkpoint; what is thrown away needs none.
        return SIGINT if self.durable else SIGQUIT

    def create(self, home: ServerDirectory, account: Account, lock: IO[bytes]) -> None:
        """Run initdb on the first start; later check the major version. Raises EmbeddedError."""
        if home.data.exists():
            _check_version(home.data)
            # This process holds the lock, so no server runs here. The pid in the file may belong to another process.
            (home.data / "postmaster.pid").unlink(missing_ok=True)
        else:
            self._initdb(home, account, lock)

    def _initdb(self, home: ServerDirectory, account: Account, lock: IO[bytes]) -> None:
        """Create the data directory under another name and rename it, so that a killed run leaves no partial one."""
        aside = home.path / "data.new"
        shutil.rmtree(aside, ignore_errors=True)
        home.data_directory(aside)
        argv = [str(binaries.postgres("initdb")), "-D", _inside(aside), *_INITDB]
        if not self.durable:
            argv.append("--no-sync")
        status, output = process.run(
            process.ServerCommand(argv, aside, f"{account.password}\n".encode(), SIGTERM, lock.fileno())
        )
        if status:
            shutil.rmtree(aside, ignore_errors=True)
            raise from_output("PostgreSQL (initdb)", output, home.path)
        aside.rename(home.data)

    def argv(self, home: ServerDirectory, account: Account) -> list[str]:
        """Command line of the server, with all settings as options."""
        settings = {**_SETTINGS, **({} if self.durable else _THROWAWAY), "port": str(account.port)}
        options = [text for key, value in settings.items() for text in ("-c", f"{key}={value}")]
        return [str(binaries.postgres("postgres")), "-D", _inside(home.data), *options]

    def input(self, account: Account) -> bytes:
        """Nothing: the password is already in the data directory."""
        return b""

    def is_ready(self, account: Account) -> bool:
        """Whether a client can log in with `account`."""
        try:
            psycopg.connect(self.url(account), connect_timeout=2, sslmode="disable").close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, account: Account) -> str:
        """URL of the database `postgres`, with the superuser's login."""
        return f"postgresql://{_USER}:{account.password}@127.0.0.1:{account.port}/postgres"


def _inside(data: Path) -> str:
    return "/proc/self/cwd" if os.geteuid() == 0 else str(data)


def _check_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    if made_by != binaries.postgres_major():
        ours = binaries.postgres_major()
        raise EmbeddedError(f"{data} was made by PostgreSQL {made_by}, this is {ours}: remove {data.parent}")
