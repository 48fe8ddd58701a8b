"""Names for the owners of leases: which process and which attempt holds a row."""

from __future__ import annotations

import os
import secrets
import socket

_start = secrets.token_hex(3)  # tells this process from an earlier one with its host and id, as containers have


def new_owner() -> str:
    """A lease owner's name that no other attempt has; at most 64 characters.

    It is `<host>:<process id>:<start of the process>:<attempt>`.
    """
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{_start}:{secrets.token_hex(6)}"


def process_of(owner: str) -> str:
    """What all owners of the same process begin with, with the colon. Empty for a name of another form."""
    process, colon, _ = owner.rpartition(":")
    return process + colon if process.count(":") == 2 else ""


def _restart() -> None:
    global _start  # noqa: PLW0603 - once for each forked process
    _start = secrets.token_hex(3)


os.register_at_fork(after_in_child=_restart)
