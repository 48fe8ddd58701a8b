"""`python -m tests.write_chaos.victims`: a prepared process that forks one child per order; the child takes a turn.

Orders are lines `[room, what, step]` on standard input, answers are lines that say how the child ended. At a step
other than "none" the child gets SIGKILL, if its turn comes to it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import Any

import django


def main() -> None:
    """Carry out orders until standard input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
    django.setup()
    paths = import_module("tests.write_chaos.paths")
    paths.define_jobs()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _take_turn(paths, *json.loads(line))
        _, status = os.waitpid(child, 0)
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "alive"
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def _take_turn(paths: Any, room: str, what: Any, step: str) -> None:
    """Never returns: the child has nothing to do with what its parent does next."""
    try:
        with paths.dying(step, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            paths.TURNS[room](what)
    except Exception:  # a turn says in its row what became of it, so this is news
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
