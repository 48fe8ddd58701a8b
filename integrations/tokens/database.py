"""Database handling around a call to the vendor: release it, refuse transactions, map its loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, InternalError, OperationalError, connection, transaction

from integrations.core.errors import BadRequest, StoreUnavailable

# InternalError is what a server says that became, or still is, a read-only standby.
LOST = (OperationalError, InterfaceError, InternalError)


def let_go() -> None:
    """Give this thread's connection back to the pool, unless somebody's transaction is on it."""
    if not connection.in_atomic_block:
        connection.close()


def refuse_transaction(doing: str) -> None:
    """Raises BadRequest inside a transaction of the caller's: its rollback would take back what the vendor's answer has
    made true for good."""
    if not connection.in_atomic_block:
        return
    try:
        with transaction.atomic(durable=True, savepoint=False):
            pass
    except RuntimeError as error:
        said = f"{doing} asks HighLevel for what no rollback can take back: do it outside the transaction"
        raise BadRequest(said) from error


@contextmanager
def needed() -> Iterator[None]:
    """Raises StoreUnavailable for a database that is away."""
    try:
        yield
    except LOST as error:
        let_go()
        raise StoreUnavailable(f"the database is away ({type(error).__name__})", retry_after=2.0) from error
