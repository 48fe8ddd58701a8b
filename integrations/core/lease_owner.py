"""Names for the owners of leases: which process and which attempt holds a row."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from functools import cache
from pathlib import Path

_start = secrets.token_hex(3)  # tells this process from an earlier one with its host and id, as containers have


def new_owner() -> str:
    """A lease owner's name that no other attempt has; at most 64 characters.

    It is `<host>:<process id>:<machine and start of the process>:<attempt>`.
    """
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{_machine()}{_start}:{secrets.token_hex(6)}"


def process_of(owner: str) -> str:
    """What all owners of the same process begin with, with the colon. Empty for a name of another form."""
    process, colon, _ = owner.rpartition(":")
    return process + colon if process.count(":") == 2 else ""


def has_ended(owner: str) -> bool:
    """Whether the owner is a process of this machine that is gone: killed, out of memory, crashed.

    False also when this process cannot know: one in another container or on another host, a name of another form.
    """
    match owner.split(":"):
        case [_, pid, start, _] if pid.isdecimal() and _machine() and start.startswith(_machine()):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return True
            except (PermissionError, OverflowError):
                return False
    return False


@cache
def _machine() -> str:
    """Six characters for the processes that see each other's ids: of one boot and PID namespace. Empty if unknown.

    The host's name does not do: the containers of a pod share it, and not their processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:6]
    except OSError:
        return ""


def _restart() -> None:
    global _start  # noqa: PLW0603 - once for each forked process
    _start = secrets.token_hex(3)


os.register_at_fork(after_in_child=_restart)
