"""Database connection around a call to the vendor: release it, refuse transactions, map its loss to an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, InternalError, OperationalError, connection, transaction

from integrations.core.errors import BadRequest, StoreUnavailable

# A server that became, or still is, a read-only standby raises InternalError.
LOST = (OperationalError, InterfaceError, InternalError)


def release() -> None:
    """Return this thread's connection to the pool, unless a transaction is open on it."""
    if not connection.in_atomic_block:
        connection.close()


def refuse_transaction(doing: str) -> None:
    """Raise BadRequest inside a transaction of the caller.

    Its rollback would discard what the vendor's answer has made permanent.
    """
    if not connection.in_atomic_block:
        return
    try:
        with transaction.atomic(durable=True, savepoint=False):
            pass
    except RuntimeError as error:
        message = f"{doing} calls HighLevel, and a rollback cannot undo that: do it outside the transaction"
        raise BadRequest(message) from error


@contextmanager
def required() -> Iterator[None]:
    """Context manager: raises StoreUnavailable when the database is unavailable."""
    try:
        yield
    except LOST as error:
        release()
        raise StoreUnavailable(f"the database is unavailable ({type(error).__name__})", retry_after=2.0) from error
