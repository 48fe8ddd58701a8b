"""Programs that a deployment runs, as command lines of this Python interpreter."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 2048  # connections that wait while no web process accepts them, as gunicorn's default
START = "{start}"  # in a word of a command line: the number of the start
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@dataclass(frozen=True)
class Program:
    """`argv` follows the interpreter's path; `{start}` in it becomes the number of the start.

    `is_single`: never two at a time. `listener`: a socket that the process inherits under the same number.
    `memory_limit`: resident bytes above which the process is replaced; 0: no limit.
    """

    name: str
    argv: tuple[str, ...]
    is_single: bool = False
    listener: socket.socket | None = None
    memory_limit: int = 0


def web(bind: str | socket.socket, *, processes: int = 1, memory_limit: int = 0) -> Program:
    """gunicorn. `bind` is HOST:PORT, or a socket that listens already and outlives the process."""
    listener = None if isinstance(bind, str) else bind
    address = bind if isinstance(bind, str) else f"fd://{bind.fileno()}"
    argv = f"-m gunicorn hlapp.wsgi --bind {address} --workers {processes} --log-level warning"
    return Program("web", tuple(argv.split()), listener=listener, memory_limit=memory_limit)


def worker(name: str, queues: str, *, threads: int, memory_limit: int = 0) -> Program:
    """A Celery worker for these queues. Each start has a node name of its own, because two overlap in a renewal."""
    argv = f"-m celery -A hlapp -q worker -P threads -c {threads} -Q {queues} -n {name}-{{start}}@%h -l WARNING"
    return Program(name, (*argv.split(), *_QUIET), memory_limit=memory_limit)


def beat(schedule: Path, *, memory_limit: int = 0) -> Program:
    """Celery beat. `schedule` is the file in which it keeps when each entry last ran."""
    argv = ("-m", "celery", "-A", "hlapp", "-q", "beat", "-l", "WARNING", "--pidfile=", "-s", str(schedule))
    return Program("beat", argv, is_single=True, memory_limit=memory_limit)
