"""What PostgreSQL and Valkey have in common, seen from the launcher."""

from __future__ import annotations

from typing import IO, Protocol

from hlapp.embedded.home import Account, Home


class Engine(Protocol):
    """One kind of server. `stop_signal` ends it cleanly, also when the launcher was killed."""

    @property
    def name(self) -> str: ...

    @property
    def folder(self) -> str: ...

    @property
    def stop_signal(self) -> int: ...

    def create(self, home: Home, account: Account, lock: IO[bytes]) -> None:
        """Make the data directory of a first run, or check the one that is there. Raises EmbeddedError."""

    def argv(self, home: Home, account: Account) -> list[str]:
        """The command; it is run with the data directory as working directory."""

    def input(self, account: Account) -> bytes:
        """What the server reads from its standard input: the place for secrets."""

    def answers(self, account: Account) -> bool:
        """Does a server take this account, now?"""

    def url(self, account: Account) -> str:
        """The URL for DATABASE_URL or REDIS_URL."""
