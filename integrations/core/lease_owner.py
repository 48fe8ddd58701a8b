"""Names for the owners of leases: which process and which attempt holds a row."""

from __future__ import annotations

import os
import secrets
import socket


def new_owner() -> str:
    """A lease owner's name that no other attempt has: host, process id and a random part; at most 64 characters."""
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(6)}"
