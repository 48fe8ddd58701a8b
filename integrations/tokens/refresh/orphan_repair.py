"""Threads in every worker process that repeat refreshes whose worker died.

The vendor accepts the same refresh token again for 30 seconds (FACTS 1.4). A worker whose threads all wait for a slow
answer begins no task in that time. So the repair needs no task: a few threads beside the worker's own look for orphans
every other second, and the thread that claims the lease first repeats the refresh.
"""

from __future__ import annotations

import random
import threading

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from integrations.core.errors import IntegrationError
from integrations.tokens.refresh import commit, lease
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.tokens.spool import spool

LOOK_SECONDS = 2.0  # seconds between two looks for orphans
_THREADS = 4
_STOP_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Repairers:
    """The repair threads of one process. `start` and `stop` them with the worker process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"tokens-repair-{number}", daemon=True)
            for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads. A repair that is cut off leaves an orphan for another process."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311 - so that they take turns
            try:
                repair(self._stopping)
            except DatabaseError as error:
                log.warning("tokens.repair_waits", reason=type(error).__name__)
            except Exception:
                log.exception("tokens.repair_failed")  # keep the thread alive: a dead one repairs nothing
            finally:
                connection.close()


def repair(stopping: threading.Event) -> int:
    """Repeat the refresh of every orphan. Returns how many succeeded; a failure is written to its row.

    First commit the spool: after an outage of the database the repair would find those grants dead.
    """
    orphans = lease.orphans()
    if orphans:
        spool.drain(commit.KIND, commit.spooled_pair)
    random.shuffle(orphans)
    repaired = 0
    for credential_id in orphans:
        if stopping.is_set():
            break
        if not lease.orphaned().filter(pk=credential_id).exists():
            continue  # another thread was faster
        try:
            refresh(credential_id, forced=True)
        except IntegrationError as error:
            log.info("tokens.repair_ended", credential=credential_id, reason=error.code)
        else:
            repaired += 1
    return repaired
