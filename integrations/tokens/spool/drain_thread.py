"""Thread in every web and worker process that commits spool entries from this machine's disk.

The sweep runs in a worker on any machine, and reads Redis and its own disk. When Redis was unavailable together with
the database, the only copy of a grant is on the disk of the machine that made the call, perhaps a web server without a
worker. So each process that may write there also drains it. While the directory is empty, a round is one directory
listing. It makes no difference which process commits an entry first.

The first round also retries the entries that were set aside: an operator may have restored a key before the start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from django.db import connection

from integrations.tokens.spool import spool
from integrations.tokens.spool.backends import DISK, FAILURES

EVERY = 5.0  # seconds
_STOP_SECONDS = 1.0
log = structlog.get_logger(__name__)


class DrainThread:
    """The thread of one process. `start` may be called again, after a fork for instance, which ends threads."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tokens-spool", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop the thread; waits a second for the entry that it commits."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        _guarded(begin)
        while not self._stopping.wait(EVERY):
            _guarded(drain)


def begin() -> None:
    """The first round: clean up the directory, retry entries that were set aside, drain."""
    DISK.clean_up()
    for name, reason in DISK.look().unreadable.items():
        log.error("spool.unreadable", entry=name, reason=reason)
    spool.bring_back()
    drain()


def drain() -> None:
    """Commit the entries while this disk has any: no other machine reads it. The sweep drains Redis."""
    if DISK.look().texts:
        spool.drain_all()


def _guarded(act: Callable[[], None]) -> None:
    try:
        act()
    except FAILURES as error:
        log.warning("spool.unseen", reason=type(error).__name__)
    except Exception:
        log.exception("spool.drain_failed")  # keep the thread alive: a dead one commits nothing
    finally:
        connection.close()
