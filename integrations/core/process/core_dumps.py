"""Forbids core dumps of this process: they would contain its keys and tokens in plain text."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def forbid() -> None:
    """Set the limit of core files to 0, for child processes too; on Linux also refuse dumps and other users' debuggers.

    The limit alone does not stop a dump that the kernel pipes to a program (core(5)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
