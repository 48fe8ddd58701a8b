"""Time limits of database sessions and broker connections, so that no wait of a process is without an end.

A worker that froze inside a transaction keeps its row locks, and its connection stays open. Without limits every
request that needs such a row waits as long as the worker is frozen, until all threads of the web wait. So:

- A statement of the web that waits for a lock, or runs, longer than its limit fails. The caller sees OperationalError:
  a page answers 503, a webhook 429.
- PostgreSQL ends a session that does nothing inside a transaction for longer than its limit. That frees the rows of a
  frozen or partitioned worker.
- PostgreSQL's own limits do not end a wait for a PostgreSQL that is frozen itself. So `BoundedConnection` also limits
  the time that the client waits for the answer to a statement.
- TCP keepalives (in the settings) find a peer that is gone.

Management commands have no limits except keepalives, because some of their statements are long. Migrations have one
for locks.
The web (`hlapp.start.prepare_web`), workers and beat (`hlapp.celery`) call `limit_sessions` before their first query.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections
from psycopg import errors

from integrations.core import clock


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Time limits of one kind of process, in seconds; None means no limit."""

    statement: int | None
    lock: int | None
    idle_in_transaction: int | None
    answer: int | None  # longer than `statement`, so that PostgreSQL ends a statement first where it can

    @property
    def options(self) -> str:
        """libpq's `options`: defaults of the session, which survive RESET.

        Without just-in-time compilation: for a query of a page it took half a second, and the query itself 50 ms.
        """
        named = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle_in_transaction,
        }
        limits = [f"-c {name}={seconds}s" for name, seconds in named.items() if seconds is not None]
        return " ".join(["-c jit=off", *limits])


WEB = SessionLimits(statement=8, lock=2, idle_in_transaction=10, answer=10)
# A worker merges pages and deletes old rows, so its statements may take minutes. It makes no network call inside a
# transaction, so ten seconds without a statement mean that it is frozen, and tenants wait for the rows it has locked.
WORKER = SessionLimits(statement=600, lock=None, idle_in_transaction=10, answer=630)

# A statement of a migration that waits for a table makes all wait who come after it (`migrate` tries again).
MIGRATION = SessionLimits(statement=None, lock=4, idle_in_transaction=None, answer=None)

WEB_BROKER_SECONDS = 5.0  # a request that starts a task waits no longer for a frozen broker
# Half a minute without data and three lost probes: the peer is gone. macOS lacks some of the names.
KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself when the answer to a statement takes longer than `longest` seconds.

    The pool checks a connection by an empty statement before every use, which is a round trip for each request. A
    connection that answered within the last `FRESH` seconds is not asked again.
    """

    FRESH = 0.5
    longest: float | None = None
    answered_at = -FRESH

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run psycopg's generator. Raises psycopg.OperationalError when the server does not answer in time."""
        if timeout is not None:
            return super().wait(gen, interval=interval, timeout=timeout)
        try:
            found = super().wait(gen, interval=interval, timeout=self.longest)
        except errors._WaitTimeout:  # noqa: SLF001 - raised by `wait` as documented there
            self.pgconn.finish()  # the answer that may still come belongs to no later statement
            raise psycopg.OperationalError(f"the database did not answer within {self.longest:g} s") from None
        self.answered_at = clock.monotonic()
        return found

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """Run a statement; the empty one of the pool's check only when the last answer is not fresh."""
        if query == "" and not self.closed and 0.0 <= clock.monotonic() - self.answered_at < self.FRESH:
            return self.cursor()
        return super().execute(query, *arguments, **options)


def limit_sessions(limits: SessionLimits) -> None:
    """Apply `limits` to every database session that this process opens from now on."""
    bounded = type("Bounded", (BoundedConnection,), {"longest": limits.answer})
    options = connections["default"].settings_dict["OPTIONS"]
    if options["prepare_threshold"] is not None:  # else a pooler gives this session's settings to others
        # PostgreSQL takes the last value of a name, so what DATABASE_URL sets stays.
        options["options"] = f"{limits.options} {options.get('options', '')}".strip()
    options["pool"] = {**options["pool"], "connection_class": bounded}


def limit_broker_waits(transport_options: dict[str, Any]) -> None:
    """Shorten what a request waits for a Redis broker. AMQP brokers have no such option; they have heartbeats."""
    if "socket_timeout" in transport_options:
        transport_options["socket_timeout"] = WEB_BROKER_SECONDS
