"""Redis client and Lua scripts of the quota. This is the boundary where Redis errors become StoreUnavailable.

Every connection learns when it is opened which run of the server it talks to, and passes that to every script. So the
first request reveals a server that came back with an older copy of its data, or a replica that took over.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
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
from integrations.quota.permits.replies import PermitReply, StateReply

_RETRY_AFTER = 5.0
_MICRO = 1_000_000
_GRACE = 1.0  # seconds after a failure without another try: a Redis that hangs would hang every thread in turn


_Call = tuple[Sequence[str], Sequence[str | int]]  # keys and arguments

SINCE = "hlapp:since"  # one mark for all deployments that share the store: it is emptied as a whole
_AGED = 3600.0  # seconds: older than any call in flight


@functools.lru_cache(maxsize=1)
def client() -> redis.Redis:
    """The shared client: thread safe, short time-outs, no retries that would hide an outage.

    With Sentinels it is a client of their master (`hlapp.redis_settings`).
    """
    options: dict[str, Any] = {
        "socket_timeout": 2.0,
        "socket_connect_timeout": 2.0,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "redis_connect_func": _read_server_run,
    }
    servers = settings.REDIS
    if not servers.sentinels:
        return redis.Redis.from_url(settings.REDIS_URL, **options)
    library: Any = redis  # these parts of it have no types
    address = library.connection.parse_url(settings.REDIS_URL)
    login = {name: value for name, value in address.items() if name not in ("host", "port")}
    sentinels = library.sentinel.Sentinel(servers.sentinels, sentinel_kwargs=servers.sentinel_options)
    master: redis.Redis = sentinels.master_for(servers.master, **login, **options)
    return master


def reset() -> None:
    """Forget the client and the last failures, which are the parent's after a fork. The next call connects again."""
    client.cache_clear()
    _script.cache_clear()


os.register_at_fork(after_in_child=reset)


def keys(resource: str) -> list[str]:
    """The slots and the state of one resource (`<client id>:<resource id>`), in one slot of a cluster."""
    return [f"{settings.NAMESPACE}:q:{{{resource}}}:{part}" for part in "sh"]


def clear() -> None:
    """Delete the states of all resources of this deployment. There must be no calls in flight.

    Raises StoreUnavailable.
    """
    try:
        found = list(client().scan_iter(match=f"{settings.NAMESPACE}:q:*", count=1000))
        if found:
            client().delete(*found)
    except redis.RedisError as error:
        raise _unavailable(error) from error
    age(at_least=_AGED)


def age(*, at_least: float = 0.0) -> float:
    """Seconds since Redis was found empty or another run of the server was met. The first caller sets the mark.

    It sets the mark to `at_least` seconds ago. Raises StoreUnavailable.
    """
    return int(_one("age", [SINCE], [int(at_least * _MICRO)])) / _MICRO


def run(keys: Sequence[str], request: dict[str, Any]) -> PermitReply:
    """One atomic call of `permit.lua`. Raises StoreUnavailable."""
    (answer,) = run_all([(keys, request)])
    if isinstance(answer, StoreUnavailable):
        raise answer
    return answer


def run_all(calls: Sequence[tuple[Sequence[str], dict[str, Any]]]) -> list[PermitReply | StoreUnavailable]:
    """Calls of `permit.lua` in one round trip, each atomic and each with its own failure, which is returned."""
    try:
        answers = _script("permit").all([(keys, [json.dumps(request)]) for keys, request in calls])
    except redis.RedisError as error:
        return [_unavailable(error) for _ in calls]
    return [_unavailable(one) if isinstance(one, redis.RedisError) else PermitReply.read(one) for one in answers]


def states(resources: Sequence[str], request: dict[str, Any]) -> list[StateReply | None]:
    """What `snapshot.lua` reads of many resources in one round trip; None for one without a state. Raises
    StoreUnavailable."""
    try:
        answers = _script("snapshot").all([(keys(resource), [json.dumps(request)]) for resource in resources])
    except redis.RedisError as error:
        raise _unavailable(error) from error
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise _unavailable(answer) from answer
    return [StateReply.read(answer) for answer in answers]


def ticket(keys: Sequence[str], *arguments: str | int) -> list[int]:
    """One atomic call of `ticket.lua`. Raises StoreUnavailable."""
    return [int(number) for number in _one("ticket", keys, arguments)]


def unavailable_seconds() -> float:
    """Seconds since the store stopped answering this process; 0 while it answers."""
    since = _script("permit").unavailable_since
    return clock.monotonic() - since if since else 0.0


def text(name: str) -> str:
    """The script `name` with its parts: a line `--@part` stands for `part.lua`."""
    here = Path(__file__).parent / "lua"
    whole = (here / f"{name}.lua").read_text()
    for part in re.findall(r"^--@(\w+)$", whole, re.MULTILINE):
        whole = whole.replace(f"--@{part}\n", (here / f"{part}.lua").read_text())
    return whole


class _Script:
    """A script whose last argument is the run of the server."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.unavailable_since = self.refuse_until = 0.0

    def all(self, calls: Sequence[_Call]) -> list[Any]:
        """One answer per call, in one round trip; an error answer of the server stands at the position of its call.

        Raises redis.ConnectionError and redis.TimeoutError."""
        if self.refuse_until > clock.monotonic():
            raise redis.ConnectionError("it did not answer a moment ago")
        try:
            answers = self._evaluate(calls)
        except (redis.ConnectionError, redis.TimeoutError):
            now = clock.monotonic()
            self.refuse_until, self.unavailable_since = now + _GRACE, self.unavailable_since or now
            raise
        self.unavailable_since = 0.0
        return answers

    def _evaluate(self, calls: Sequence[_Call]) -> list[Any]:
        pool = client().connection_pool
        connection: Any = pool.get_connection()
        try:
            answers = _exchange(connection, ["EVALSHA", self.sha], calls)
            unknown = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                again = _exchange(connection, ["EVAL", self.text], [calls[index] for index in unknown])
                for index, answer in zip(unknown, again, strict=True):
                    answers[index] = answer
            if any(isinstance(answer, ReadOnlyError) for answer in answers):
                connection.disconnect()  # a replica now: the next connection learns which server it has
            return answers
        except (redis.ConnectionError, redis.TimeoutError):
            connection.disconnect()  # answers that were not read must not be taken for those of the next question
            raise
        finally:
            pool.release(connection)


def _exchange(connection: Any, command: list[str], calls: Sequence[_Call]) -> list[Any]:
    """Write all, then read all."""
    run = connection.server_run
    commands = [(*command, len(keys), *keys, *arguments, run) for keys, arguments in calls]
    connection.send_packed_command(connection.pack_commands(commands))
    return [_read_answer(connection) for _ in calls]


def _read_answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


@functools.cache
def _script(name: str) -> _Script:
    return _Script(text(name))


def _one(name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
    try:
        (answer,) = _script(name).all([(keys, arguments)])
    except redis.RedisError as error:
        raise _unavailable(error) from error
    if isinstance(answer, redis.RedisError):
        raise _unavailable(answer) from answer
    return answer


def _read_server_run(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("INFO", "server")
    found = re.search(rb"^run_id:(\w+)", connection.read_response(), re.MULTILINE)
    connection.server_run = found[1].decode() if found else ""


def _unavailable(error: redis.RedisError) -> StoreUnavailable:
    return StoreUnavailable(f"the quota store does not answer ({type(error).__name__})", retry_after=_RETRY_AFTER)
