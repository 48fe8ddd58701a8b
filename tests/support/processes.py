"""Start Python processes on this run's own database and Redis, talk to them, kill them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The URL of the test database, which pytest-django has made beside the one of DATABASE_URL."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


def environment(**more: str) -> dict[str, str]:
    """What a process needs to work with this run's database and Redis, and what the test adds."""
    ours = {"DJANGO_SETTINGS_MODULE": "hlapp.settings", "DATABASE_URL": database_url(), "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **ours, **more}


class Process(subprocess.Popen[str]):
    """A Python process that says on its output where it is, and goes on when it reads a line."""

    def hear(self, line: str, *, among_others: bool = False) -> None:
        """Wait for the line. It has to be the next one, unless the process writes its log to the same place."""
        assert self.stdout is not None
        for found in self.stdout:
            if found.strip() == line:
                return
            if not among_others:
                pytest.fail(f"the process said {found.strip()!r} and not {line!r}")
        pytest.fail(f"the process ended without {line!r}")

    def hear_from(self, beginning: str) -> str:
        """Wait for a line that begins so, and return the rest of it."""
        assert self.stdout is not None
        for found in self.stdout:
            if found.startswith(beginning):
                return found.removeprefix(beginning).strip()
        pytest.fail(f"the process ended without {beginning!r}")

    def go_on(self, line: str = "") -> None:
        """Let it go on, with a line if it reads one."""
        assert self.stdin is not None
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def die(self) -> None:
        """Kill it, as a machine does that loses its power, and wait until it is gone."""
        self.kill()
        self.wait()


def spawn(*argv: str, stderr: int | None = None, **more: str) -> Process:
    """A Python process: `spawn("-m", "tests.sync.kills.worker", "1")`. Names in capitals are its environment."""
    pipe = subprocess.PIPE
    return Process(
        [sys.executable, *argv], cwd=ROOT, env=environment(**more), stdin=pipe, stdout=pipe, stderr=stderr, text=True
    )


@contextmanager
def running(*argv: str, stderr: int | None = None, **more: str) -> Iterator[Process]:
    """`spawn`, and it is killed at the end unless it has ended by itself."""
    with spawn(*argv, stderr=stderr, **more) as process:
        try:
            yield process
        finally:
            process.kill()


def celery(arguments: str, log: IO[bytes], **more: str) -> subprocess.Popen[bytes]:
    """A worker or beat as operators start it; what it says goes to `log`."""
    words = [sys.executable, "-m", "celery", "-A", "hlapp", *arguments.split()]
    return subprocess.Popen(words, cwd=ROOT, env=environment(**more), stdout=log, stderr=subprocess.STDOUT)
