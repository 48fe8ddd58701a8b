"""Wrapper of the quota around every task (`core.celery_tasks` calls it): ticket, parked row, usage by job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from integrations.core.errors import Retryable
from integrations.quota import usage
from integrations.quota.parking import parked_lifecycle, queue
from integrations.quota.permits import tickets

log = structlog.get_logger(__name__)


class ParkingWrapper:
    """Implements `core.celery_tasks.TaskWrapper`."""

    @contextmanager
    def running(self, task: str, kwargs: Mapping[str, Any], headers: Mapping[str, Any]) -> Iterator[bool]:
        """Yields whether the task is to run: not for a stale message, nor for one that the row does not describe."""
        parked = headers.get("parked") or {}
        with usage.spent_by(task):
            if not parked:
                yield True
                return
            row_id, turn = parked["row"], parked["turn"]
            if not parked_lifecycle.begin(row_id, turn, task=task, kwargs=kwargs):
                log.info("job.stale", task=task, row=row_id, turn=turn)
                yield False
                return
            with self._begun(row_id, turn), tickets.carried(parked["ticket"]):
                yield True

    @contextmanager
    def _begun(self, row_id: int, turn: int) -> Iterator[None]:
        """Mark the row as running, and delete it at the end of the task.

        An ordinary exception is the end of the task too: the worker has seen it and acknowledges the message. Any other
        one (the process ends) leaves the row, which waits again by itself.
        """
        try:
            yield
        except Exception:
            parked_lifecycle.end(row_id, turn)
            raise
        else:
            parked_lifecycle.end(row_id, turn)
        finally:
            parked_lifecycle.leave(row_id)

    def park(self, task: str, kwargs: dict[str, Any], error: Retryable) -> bool:
        """Park the task for the permit that `error` names (`queue.park`)."""
        return queue.park(task, kwargs, error)
