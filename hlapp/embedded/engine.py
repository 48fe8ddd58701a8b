"""Interface between the launcher and a kind of server (PostgreSQL, Valkey)."""

from __future__ import annotations

from typing import IO, Protocol

from hlapp.embedded.home import Account, ServerDirectory


class Engine(Protocol):
    """One kind of server. `stop_signal` ends it cleanly, also when the launcher was killed."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def folder(self) -> str:
        """Name of the directory that holds the server's files."""

    @property
    def stop_signal(self) -> int:
        """Signal that ends the server cleanly."""

    def create(self, home: ServerDirectory, account: Account, lock: IO[bytes]) -> None:
        """Make the data directory of a first run, or check the one that is there. Raises EmbeddedError."""

    def argv(self, home: ServerDirectory, account: Account) -> list[str]:
        """The command; it is run with the data directory as working directory."""

    def input(self, account: Account) -> bytes:
        """What the server reads from its standard input. Secrets go here and into no command line."""

    def is_ready(self, account: Account) -> bool:
        """Whether a server accepts this account now."""

    def url(self, account: Account) -> str:
        """The URL for DATABASE_URL or REDIS_URL."""
