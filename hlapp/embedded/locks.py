"""File locks (flock) that the kernel releases when the last process that has them open ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hlapp.embedded.errors import OWN_SERVERS, EmbeddedError
from integrations.core import clock

if sys.platform != "win32":
    import fcntl

_TICK = 0.02


def try_lock(path: Path) -> IO[bytes] | None:
    """The lock, held until it is closed here and in every process that inherited it; None if it is taken."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def waiting_lock(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock inside the `with` block. Raises EmbeddedError if it is not free within `timeout` seconds."""
    deadline = clock.monotonic() + timeout
    while (lock := try_lock(path)) is None:
        if clock.monotonic() > deadline:
            raise EmbeddedError(f"{path} is held by another start: wait for it or end it, or {OWN_SERVERS}")
        clock.sleep(_TICK)
    with lock:
        yield
