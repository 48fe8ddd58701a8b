"""The one connection pool to Redis, and the one boundary where its errors become ours.

Every connection learns at its birth which run of the server it talks to, and every script is told: a server that came
back with an older copy of its data, or a replica that took over, is recognised by the first question asked of it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ReadOnlyError
from redis.retry import Retry

from integrations.core import clock
from integrations.core.errors import StoreUnavailable

_RETRY_AFTER = 5.0
_GRACE = 1.0  # seconds after a failure in which nobody tries: a store that hangs would hang every thread in turn


def _read(name: str) -> str:
    """A script with its parts: a line `--@part` stands for `part.lua`."""
    here = Path(__file__).parent
    text = (here / name).read_text()
    for part in re.findall(r"^--@(\w+)$", text, re.MULTILINE):
        text = text.replace(f"--@{part}\n", (here / f"{part}.lua").read_text())
    return text


_SCRIPT = _read("permit.lua")
_TICKET = _read("ticket.lua")


@functools.lru_cache(maxsize=1)
def client() -> redis.Redis:
    """The shared client: thread safe, short time-outs, no retries that would hide an outage."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=2.0,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=_greet,
    )


def keys(resource: str) -> list[str]:
    """The slots and the state of one resource (`<client id>:<resource id>`), in one slot of a cluster."""
    return [f"{settings.NAMESPACE}:q:{{{resource}}}:{part}" for part in "sh"]


def clear() -> None:
    """Forget every resource of this deployment: for a demo or a test that starts afresh."""
    found = list(client().scan_iter(match=f"{settings.NAMESPACE}:q:*", count=1000))
    if found:
        client().delete(*found)


def run(keys: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    """One atomic call of `permit.lua`. Raises StoreUnavailable."""
    try:
        answer: bytes = _script()(keys=keys, args=[json.dumps(request)])
    except redis.RedisError as error:
        raise _unavailable(error) from error
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


def ticket(keys: Sequence[str], *arguments: str | int) -> list[int]:
    """One atomic call of `ticket.lua`. Raises StoreUnavailable."""
    try:
        return [int(number) for number in _ticket_script()(keys=keys, args=arguments)]
    except redis.RedisError as error:
        raise _unavailable(error) from error


def away_for() -> float:
    """Seconds since the store stopped answering this process; 0 while it answers."""
    since = _script().away_since
    return clock.monotonic() - since if since else 0.0


class _Script:
    """A script that is told, as its last argument, which run of the server it is in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.away_since = self.refuse_until = 0.0

    def __call__(self, *, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        if self.refuse_until > clock.monotonic():
            raise redis.ConnectionError("it did not answer a moment ago")
        try:
            answer = self._evaluate(keys, args)
        except (redis.ConnectionError, redis.TimeoutError):
            now = clock.monotonic()
            self.refuse_until, self.away_since = now + _GRACE, self.away_since or now
            raise
        self.away_since = 0.0
        return answer

    def _evaluate(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        pool = client().connection_pool
        connection: Any = pool.get_connection()
        values = (len(keys), *keys, *args, connection.server_run)
        try:
            try:
                connection.send_command("EVALSHA", self.sha, *values)
                return connection.read_response()
            except NoScriptError:
                connection.send_command("EVAL", self.text, *values)
                return connection.read_response()
        except ReadOnlyError:
            connection.disconnect()  # a replica now: whoever is asked next has to say who it is
            raise
        finally:
            pool.release(connection)


@functools.lru_cache(maxsize=1)
def _script() -> _Script:
    return _Script(_SCRIPT)


@functools.lru_cache(maxsize=1)
def _ticket_script() -> _Script:
    return _Script(_TICKET)


def _greet(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("INFO", "server")
    found = re.search(rb"^run_id:(\w+)", connection.read_response(), re.MULTILINE)
    connection.server_run = found[1].decode() if found else ""


def _unavailable(error: redis.RedisError) -> StoreUnavailable:
    return StoreUnavailable(f"the quota store does not answer ({type(error).__name__})", retry_after=_RETRY_AFTER)
