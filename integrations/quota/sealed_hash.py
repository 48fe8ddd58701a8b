"""Redis hash that keeps sealed values while PostgreSQL is unavailable: the spool of grants uses it.

It stands in this room because the room owns the connection to Redis. Nothing in it expires: the caller who puts a value
deletes it. Every function raises StoreUnavailable while Redis does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis
from django.conf import settings

from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import scripts


def put(hash_name: str, name: str, value: bytes) -> None:
    """Keep a value under `name`; it replaces an earlier one."""
    with _answering():
        scripts.client().hset(key(hash_name), name, value)


def items(hash_name: str) -> dict[str, bytes]:
    """All values by name. One whose name is no text was put by another program, and must not hide the others."""
    with _answering():
        found = cast("dict[bytes, bytes]", scripts.client().hgetall(key(hash_name)))
    return {name.decode(): value for name, value in found.items() if _is_text(name)}


def get(hash_name: str, name: str) -> bytes | None:
    """One value, None when there is none."""
    with _answering():
        return cast("bytes | None", scripts.client().hget(key(hash_name), name))


def delete(hash_name: str, name: str) -> None:
    """Delete one value if it exists."""
    with _answering():
        scripts.client().hdel(key(hash_name), name)


def key(hash_name: str) -> str:
    """The Redis key of the hash. Live deployments have values under this one."""
    return f"{settings.NAMESPACE}:shelf:{hash_name}"


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable(f"Redis does not answer ({type(error).__name__})", retry_after=5.0) from error
