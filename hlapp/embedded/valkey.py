"""The embedded Valkey: loopback, a generated password, and a snapshot so that queued work survives a restart.

It reads its configuration from standard input: the password stands in no command line and in no second file,
and the data directory, which is its working directory, needs no quoting.
"""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGTERM
from typing import IO

import redis

from hlapp.embedded import binaries
from hlapp.embedded.home import Account, ServerDirectory

# One number per test worker.
DATABASES = 64


@dataclass(frozen=True)
class Valkey:
    """See `engine.Engine`."""

    durable: bool
    name: str = "Valkey"
    folder: str = "valkey"

    @property
    def stop_signal(self) -> int:
        """SIGTERM: Valkey then writes its snapshot, if it keeps one."""
        return SIGTERM

    def create(self, home: ServerDirectory, account: Account, lock: IO[bytes]) -> None:
        """Make an empty data directory on the first start."""
        if not home.data.exists():
            home.data_directory(home.data)

    def argv(self, home: ServerDirectory, account: Account) -> list[str]:
        """Command line that reads the configuration from standard input."""
        return [str(binaries.valkey()), "-"]

    def input(self, account: Account) -> bytes:
        """The configuration, with the password."""
        # With a save rule, SIGTERM writes a snapshot before the end; without one it does not.
        save = "60 1" if self.durable else '""'
        lines = (
            "bind 127.0.0.1",
            f"port {account.port}",
            f'requirepass "{account.password}"',
            f"databases {DATABASES}",
            f"save {save}",
            "appendonly no",
            "daemonize no",
            "loglevel warning",
        )
        return "\n".join(lines).encode() + b"\n"

    def is_ready(self, account: Account) -> bool:
        """Whether PING succeeds with the password of `account`."""
        with redis.Redis.from_url(self.url(account), socket_timeout=1, retry=None) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def url(self, account: Account) -> str:
        """URL of Redis database 0."""
        return f"redis://:{account.password}@127.0.0.1:{account.port}/0"
