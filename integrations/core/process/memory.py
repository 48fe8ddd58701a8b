"""Resident memory of this process, and the limit of its container. Zero where the system does not say (not Linux)."""

from __future__ import annotations

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_UNLIMITED = 1 << 50  # version 1 of cgroups writes a huge number, version 2 "max"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Resident bytes of this process."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def container_limit() -> int:
    """The limit of this container in bytes; 0 without one."""
    for path in _CGROUP_LIMITS:
        try:
            limit = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        return limit if limit < _UNLIMITED else 0
    return 0
