"""Celery workers for benchmarks, as processes on the benchmark's database; and a count of Redis commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from celery import current_app
from django.conf import settings
from django.db import connection

from integrations.quota.permits import scripts


@contextmanager
def workers(count: int, *, threads: int, jobs: str = "", beat: bool = False, **env: str) -> Iterator[list[int]]:
    """Run workers; yields their process ids once all answer. `jobs` is a module with more tasks."""
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}"))
    current_app.conf.broker_transport_options["global_keyprefix"] = f"{settings.NAMESPACE}:celery:"
    environment = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "ERROR", **env}
    more = ["-I", jobs] if jobs else []
    commands = [
        ["worker", "-P", "threads", "-c", str(threads), "-Q", "urgent,api", "-n", f"bench{number}@%h", *more]
        for number in range(count)
    ]
    schedule = Path(tempfile.mkdtemp(prefix="hlapp-bench-"))
    if beat:  # beat may remove and create its schedule file, so it must not be a device
        commands.append(["beat", "--pidfile=", "-s", str(schedule / "beat")])
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "hlapp", *command, "-l", "ERROR"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        until(lambda: len(current_app.control.ping(timeout=1.0) or ()) >= count, 60.0)
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(schedule)


def until(reached: Callable[[], Any], seconds: float) -> bool:
    """Wait until `reached` is true. False when it was not within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if reached():
            return True
        time.sleep(0.1)
    return False


def resident(pids: list[int]) -> float:
    """The memory of these processes in MiB (VmRSS)."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu(pids: list[int]) -> float:
    """The CPU time of these processes so far, in seconds: user and system."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def redis_commands(but: Container[str] = ()) -> int:
    """How many commands Redis has run, including those inside scripts, without those named in `but`."""
    stats = scripts.client().info("commandstats")
    return sum(int(entry["calls"]) for name, entry in stats.items() if name.removeprefix("cmdstat_") not in but)
