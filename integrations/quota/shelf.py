"""A shelf in Redis for the few sealed values that another room must not lose while the database is away.

It stands here because this room alone talks to Redis. Nothing on it expires; whoever put something takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis
from django.conf import settings

from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import scripts


def put(shelf: str, name: str, value: bytes) -> None:
    """Raises StoreUnavailable."""
    with _answering():
        scripts.client().hset(_key(shelf), name, value)


def items(shelf: str) -> dict[str, bytes]:
    """All that stands on the shelf. Raises StoreUnavailable."""
    with _answering():
        found = cast("dict[bytes, bytes]", scripts.client().hgetall(_key(shelf)))
    return {name.decode(): value for name, value in found.items()}


def item(shelf: str, name: str) -> bytes | None:
    """One of them. Raises StoreUnavailable."""
    with _answering():
        return cast("bytes | None", scripts.client().hget(_key(shelf), name))


def take_away(shelf: str, name: str) -> None:
    """Raises StoreUnavailable."""
    with _answering():
        scripts.client().hdel(_key(shelf), name)


def _key(shelf: str) -> str:
    return f"{settings.NAMESPACE}:shelf:{shelf}"


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable(f"Redis does not answer ({type(error).__name__})", retry_after=5.0) from error
