"""Keys in Redis for purges: the quota states of given resources, and a search through everything that is stored.

It stands in this room because the room owns the connection to Redis. Every function raises StoreUnavailable while Redis
does not answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import redis
from django.conf import settings

from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import scripts

_AT_ONCE = 1_000


def count(resources: Collection[str]) -> int:
    """How many keys exist with the state of these resources (`<client id>:<resource id>`)."""
    return _each(resources, lambda keys: scripts.client().exists(*keys))


def delete(resources: Collection[str]) -> int:
    """Delete the states of these resources; how many keys there were. No call of them may be in flight."""
    return _each(resources, lambda keys: scripts.client().delete(*keys))


def search(texts: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """Keys of this deployment whose name or value contains one of `texts`, with the position of that text.

    Bodies of Celery's messages are decoded. Upper and lower case count as the same.
    """
    wanted = [text.lower() for text in texts]
    try:
        for key in scripts.client().scan_iter(match=f"{settings.NAMESPACE}:*", count=_AT_ONCE):
            name = key.decode(errors="replace")
            content = b"\n".join(_contents(key)).lower()
            yield from ((name, number) for number, text in enumerate(wanted) if text in content)
    except redis.RedisError as error:
        raise _unavailable(error) from error


def _each(resources: Collection[str], act: Callable[[list[str]], int]) -> int:
    keys, total = (key for resource in sorted(resources) for key in scripts.keys(resource)), 0
    try:
        while batch := list(islice(keys, _AT_ONCE)):
            total += act(batch)
    except redis.RedisError as error:
        raise _unavailable(error) from error
    return total


def _contents(key: bytes) -> Iterator[bytes]:
    yield key
    client = scripts.client()
    read = _READERS.get(cast("bytes", client.type(key)))
    if read is not None:
        yield from read(client, key)


def _texts(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    yield cast("bytes | None", client.get(key)) or b""


def _pairs(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    for pair in client.hscan_iter(key):
        yield from pair


def _items(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    for item in cast("list[bytes]", client.lrange(key, 0, -1)):
        yield from (item, _body(item))


def _members(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    yield from client.sscan_iter(key)


def _ranked(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    yield from (member for member, _ in client.zscan_iter(key))


def _entries(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    for _, fields in cast("list[Any]", client.xrange(key)):
        for pair in fields.items():
            yield from pair


_READERS: dict[bytes, Callable[[redis.Redis, bytes], Iterator[bytes]]] = {
    b"string": _texts,
    b"hash": _pairs,
    b"list": _items,
    b"set": _members,
    b"zset": _ranked,
    b"stream": _entries,
}


def _body(item: bytes) -> bytes:
    """The body of a message of Celery, decoded; empty for anything else."""
    try:
        return base64.b64decode(json.loads(item)["body"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return b""


def _unavailable(error: redis.RedisError) -> StoreUnavailable:
    return StoreUnavailable(f"Redis does not answer ({type(error).__name__})", retry_after=5.0)
