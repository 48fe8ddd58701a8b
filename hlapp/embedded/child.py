"""Script that execs a server process which ends when its launcher ends (PR_SET_PDEATHSIG).

It runs between fork and exec, in a small Python of its own, because code in `preexec_fn` may deadlock in a
process with threads. The order matters: the kernel forgets the death signal when credentials change, so it is
asked for after the user is dropped; and a launcher that died before that is noticed by the parent's id.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(launcher: int, death_signal: int, uid: int, command: list[str]) -> None:
    """Become `command` as user `uid`; when the process `launcher` ends, so does it, by `death_signal`."""
    if uid != os.geteuid():
        # /dev/stdin is reopened by initdb, and a pipe admits only its owner.
        os.fchown(0, uid, uid)
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != launcher:
        sys.exit("the launcher is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
