"""The database around a call to the vendor: not held while it lasts, and its loss as an error of our tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection

from integrations.core.errors import StoreUnavailable

LOST = (OperationalError, InterfaceError)


def let_go() -> None:
    """Give this thread's connection back to the pool, unless somebody's transaction is on it."""
    if not connection.in_atomic_block:
        connection.close()


@contextmanager
def needed() -> Iterator[None]:
    """Raises StoreUnavailable for a database that is away."""
    try:
        yield
    except LOST as error:
        let_go()
        raise StoreUnavailable(f"the database is away ({type(error).__name__})", retry_after=2.0) from error
