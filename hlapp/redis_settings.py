"""Redis settings: one server, or the master that Sentinels name.

With `REDIS_SENTINELS` the host in `REDIS_URL` is not a host but the name that the Sentinels know the master by:
`redis://:password@mymaster/0`. Each new connection asks them where the master is, and one to a server that has become a
replica is closed. A replica that takes over may lack the last writes of its master, since Redis replicates without
waiting. The quota notices another server by its run and rests for a window (`integrations/quota/permits/scripts.py`).
The broker's messages are only hints, whose rows are in PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hlapp.env import Env

SENTINEL_PORT = 26_379
SENTINEL_SECONDS = 1.0  # for a connection, and for an answer: a Sentinel that hangs is passed over


@dataclass(frozen=True)
class RedisSettings:
    """`url` of `REDIS_URL`. `sentinels` are hosts and ports; `master` is the name they know, empty without them."""

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    password: str = field(default="", repr=False)  # of the Sentinels

    @property
    def broker_url(self) -> str:
        """The URL of the same Redis for Celery. Each part has the login, because kombu goes from one to the next."""
        if not self.sentinels:
            return self.url
        parts = urlsplit(self.url)
        login = parts.netloc.rpartition("@")[0]
        login = f"{login}@" if login else ""
        return ";".join(f"sentinel://{login}{_shown(host)}:{port}{parts.path}" for host, port in self.sentinels)

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """How to connect to a Sentinel, as redis-py takes it."""
        limits = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
        return {**limits, **({"password": self.password} if self.password else {})}

    def transport_options(self, broker_url: str) -> dict[str, Any]:
        """What kombu needs besides the URL; nothing for another broker."""
        if not broker_url.startswith("sentinel"):
            return {}
        return {"master_name": self.master, "sentinel_kwargs": self.sentinel_options}


def read(env: Env) -> RedisSettings:
    """From the environment. A mistake is noted there."""
    url = env.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
    given = env.list("REDIS_SENTINELS", default=[])
    password = env.secret("REDIS_SENTINEL_PASSWORD", default="")
    if not given:
        return RedisSettings(url)
    parts = urlsplit(url)
    if parts.scheme != "redis":
        env.reject("REDIS_SENTINELS", "needs a REDIS_URL such as redis://:password@mymaster/0, with the master's name")
    try:
        sentinels = tuple(_address(one) for one in given)
    except ValueError:
        env.reject("REDIS_SENTINELS", "should be a list such as sentinel1:26379,sentinel2:26379")
        sentinels = ()
    master = parts.netloc.rpartition("@")[2].partition(":")[0]  # `hostname` would be in lower case
    return RedisSettings(url, sentinels, master, password)


def _address(text: str) -> tuple[str, int]:
    """Host and port. Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or "@" in text:
        raise ValueError(text)
    return parts.hostname, parts.port or SENTINEL_PORT


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
