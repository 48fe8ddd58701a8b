"""Resident memory of a process and its children: from /proc, as a container may have no `ps`; elsewhere from `ps`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def of_family(pid: int) -> int:
    """Resident bytes of the process and of its own children."""
    rows = _from_proc() if (_PROC / "self/stat").exists() else _from_ps()
    return sum(resident for found, parent, resident in rows if pid in (found, parent))


def _from_proc() -> Iterator[tuple[int, int, int]]:
    """Process id, parent's id and resident bytes of every process (proc(5))."""
    page = os.sysconf("SC_PAGE_SIZE")
    for directory in _PROC.iterdir():
        if directory.name.isdecimal():
            with suppress(OSError):  # it has just ended
                fields = (directory / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                yield int(directory.name), int(fields[1]), int(fields[21]) * page


def _from_ps() -> Iterator[tuple[int, int, int]]:
    command = ["ps", "-A", "-o", "pid=,ppid=,rss="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - no input of others
    for line in listing.stdout.splitlines():
        pid, parent, kilobytes = map(int, line.split())
        yield pid, parent, kilobytes * 1024
