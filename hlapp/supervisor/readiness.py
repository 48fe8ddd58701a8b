"""Readiness of a supervised process: it writes a byte to the descriptor that READY_FD names, once it does its work.

The supervisor ends the old process of a renewal only then. Without READY_FD nothing is written.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "READY_FD"


def report() -> None:
    """Tell the supervisor, once. A process that execs itself again must not write to a descriptor of other use."""
    if descriptor := os.environ.pop(VARIABLE, ""):
        with contextlib.suppress(OSError):  # the supervisor knows already, from another process of this server
            os.write(int(descriptor), b"1")
            os.close(int(descriptor))
