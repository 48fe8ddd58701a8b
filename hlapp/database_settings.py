"""Django's database settings: a pool per process, and what a pooler of transactions in between cannot do.

With `DATABASE_POOLING=transaction` a session of PostgreSQL serves another client after each transaction (PgBouncer's
`pool_mode = transaction`). So nothing may outlive a transaction there:

- Statements are not prepared, and results do not stay on the server behind cursors.
- Time limits cannot be set for a session. The client still gives up an answer that does not come; the limits of
  PostgreSQL itself have to be set for the role (`manage.py doctor` says how).
- LISTEN needs a session of its own: the one thread that leads the parked tasks connects to `DATABASE_DIRECT_URL`.
- So do management commands (`hlapp.command_line`): some need a snapshot, a cursor or a limit for minutes.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from hlapp import time_limits
from hlapp.env import Env

URL, DIRECT_URL, POOLING = "DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_POOLING"
SUPERVISORS = frozenset({"serve", "demo"})  # what these start works through the pooler
_KINDS = ("session", "transaction")
_LIBPQ = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}


def read(env: Env) -> dict[str, Any]:
    """The entry of Django's DATABASES."""
    is_shared = env.choice(POOLING, _KINDS, default="session") == "transaction"
    database = env.database(URL)
    database["OPTIONS"] = {
        **database.get("OPTIONS", {}),
        # Worker threads share a few connections, and a dead one is replaced at its next use. Without
        # `reconnect_timeout` the pool would pause ever longer between attempts, up to minutes; so it gives up soon and
        # the next caller starts a new attempt.
        "pool": {
            "min_size": 0,
            "max_size": 20,
            "timeout": 3,
            "reconnect_timeout": 3,
            "connection_class": time_limits.BoundedConnection,
        },
        "connect_timeout": 5,
        "prepare_threshold": None if is_shared else 5,  # for `core.prepared`; Django's own cursors prepare nothing
        # A peer that is gone is noticed after a minute without data, or when it has not acknowledged data for 20 s.
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    database["CONN_HEALTH_CHECKS"] = True
    database["DISABLE_SERVER_SIDE_CURSORS"] = is_shared
    return database


def direct(env: Env) -> dict[str, Any]:
    """How libpq reaches PostgreSQL past the pooler; empty without one."""
    if not env.is_set(DIRECT_URL):
        if env.choice(POOLING, _KINDS, default="session") == "transaction":
            env.reject(
                DIRECT_URL, f"is not set, though {POOLING} is transaction: it should be PostgreSQL's own address"
            )
        return {}
    found = env.database(DIRECT_URL)
    named = {name: found[key] for key, name in _LIBPQ.items() if found.get(key)}
    return {**named, **{name: value for name, value in found.get("OPTIONS", {}).items() if name.startswith("ssl")}}


def use_direct(command: str, environ: MutableMapping[str, str]) -> None:
    """Let a management command work on PostgreSQL itself, if the environment has its address."""
    if command in SUPERVISORS:
        return
    for suffix in ("", "_FILE"):
        if environ.get(f"{DIRECT_URL}{suffix}"):
            for name in (URL, f"{URL}_FILE", POOLING):
                environ.pop(name, None)
            environ[f"{URL}{suffix}"] = environ[f"{DIRECT_URL}{suffix}"]
