"""Leader threads: a thread in every worker process; the one with the lease leads and sends work to all workers.

The lease is a row that lasts for a few seconds (`LeaderLease`), not a lock of a connection: a frozen process keeps its
connection, and the work would wait with it. A leader that was frozen may go on for a moment beside its successor. So
what a leader writes has to be conditional; then two leaders only waste time.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from integrations.core.lease_owner import has_ended, new_owner
from integrations.core.models import LeaderLease

RENEW_SECONDS = 1.0  # seconds between two renewals of the lease, and until a thread that failed goes on
_STOP_SECONDS = 5.0
log = structlog.get_logger(__name__)


class LeaderThread(ABC):
    """The thread of one process. `start` and `stop` it with the process.

    `lease_name` is the key of the lease, and `term` how long the others wait for a leader that does not renew it. They
    do not wait for a process of their own machine that is gone.
    """

    lease_name: ClassVar[str]
    term: ClassVar[timedelta]

    def __init__(self) -> None:
        self.owner = new_owner()
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"leader-{self.lease_name}", daemon=True)

    @abstractmethod
    def work(self) -> None:
        """Lead while `hold` succeeds, and return soon after `stopping` is set.

        Called again a second after it returned or raised. The thread's database connection is closed in between.
        """

    def prepare(self) -> None:
        """Called once, before the first `work`."""
        return

    def leave(self) -> None:
        """Called once, after the last `work`: another process may lead at once. Raises the database's errors."""
        LeaderLease.objects.release(self.lease_name, self.owner)

    def hold(self, *, sent: int = 0, unstarted: int = 0, trouble: str = "") -> bool:
        """Take or renew the lease, and record the counts and the trouble for pages. False while another one leads.

        `sent` counts messages since this thread began to lead, `unstarted` those that no worker has begun.
        """
        state: dict[str, Any] = {"sent": sent, "unstarted": unstarted, "trouble": trouble[:200]}
        leases = LeaderLease.objects
        return leases.hold(self.lease_name, self.owner, self.term, **state) or (
            self._release_of_an_ended_process() and leases.hold(self.lease_name, self.owner, self.term, **state)
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and release the lease. Another process leads within a second."""
        self.stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _release_of_an_ended_process(self) -> bool:
        """Release the lease if its process is gone. False while that is not known: then it has to run out."""
        owner = LeaderLease.objects.filter(name=self.lease_name).values_list("owner", flat=True).first()
        if owner is None or not has_ended(owner):
            return False
        LeaderLease.objects.release(self.lease_name, owner)
        return True

    def _run(self) -> None:
        self.prepare()
        while not self.stopping.is_set():
            self._guarded(self.work)
            self.stopping.wait(RENEW_SECONDS)
        self._guarded(self.leave)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Log what `step` raises: without the thread, work would depend on other processes, and at last on none."""
        try:
            step()
        except DatabaseError as error:
            log.warning("leader.database_away", lease=self.lease_name, reason=type(error).__name__)
        except Exception:
            log.exception("leader.failed", lease=self.lease_name)
        finally:
            connection.close()
