"""The leases of sync runs (`core.leases` has the logic), and how a run waits for a permit."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.core.errors import Retryable
from integrations.core.jobs import backoff
from integrations.core.leases import PARKED, QUEUED, LeaseLost, Leases, new_owner
from integrations.quota.parking import queue
from integrations.sync.models import Run

__all__ = ["LEASE", "PARKED", "QUEUED", "LeaseLost", "claim", "due", "hand_back", "keep", "new_owner"]

TASK = "sync.advance"
LEASE = timedelta(seconds=30)

_runs = Leases(Run, task=TASK, term=LEASE, related="plan__app")
claim, keep, hand_back, due = _runs.claim, _runs.keep, _runs.hand_back, _runs.due


def wait_for_permit(run: Run, owner: str, now: datetime, error: Retryable) -> None:
    """Give the run up, without blame, until the pump has a permit for its next page and hands a worker both."""
    wait = error.retry_after or 0.0
    if not _runs.park(run, owner, now, wait=wait, into=lambda: queue.park(TASK, {"run_id": run.pk}, error)):
        hand_back(run, owner, now, wait=wait or backoff(run.attempts))
