"""A prepared process that forks one child per order; the child refreshes and dies.

`python -m tests.tokens.refresh.victims` is how a test starts it.
Orders are lines `[credential id, step, seconds]` on standard input, answers `[credential id, how it ended, when]`.
The step "in flight" kills after so many seconds, wherever the call to the vendor has come to by then; the others are
those of `tests.tokens.refresh.steps`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from importlib import import_module
from typing import Any

import django

IN_FLIGHT = "in flight"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
    django.setup()
    room = (
        import_module("integrations.tokens.refresh.claim_call_swap"),
        import_module("tests.tokens.refresh.steps"),
    )
    for line in sys.stdin:
        credential_id, step, seconds = json.loads(line)
        child = os.fork()
        if child == 0:
            _refresh(*room, credential_id, step, seconds)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps([credential_id, _ending(status), time.time()]) + "\n")
        sys.stdout.flush()


def _refresh(refreshing: Any, steps: Any, credential_id: int, step: str, seconds: float) -> None:
    """Never returns: the child has nothing to do with what its parent does next."""

    def reached(name: str) -> None:
        if step == IN_FLIGHT and name == "claimed":
            _soon(seconds)
        elif name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        with steps.watched(reached):
            refreshing.refresh(credential_id)
    finally:
        os._exit(1)  # alive at the end: a mistake of the test, unless it was in flight and fast


def _soon(seconds: float) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()


def _ending(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    main()
