"""The leases of job runs (`core.leases` has the logic)."""

from __future__ import annotations

from datetime import timedelta

from integrations.core.leases import Leases
from integrations.jobs.models import Run

TASK = "jobs.advance"
# A job's own code runs between two looks at the lease, and one call with a token refresh before it may take 30 s.
TERM = timedelta(seconds=90)

RUNS = Leases(Run, task=TASK, term=TERM, related="schedule__app")
