"""A worker process for tests that kill it at any moment: `python -m tests.sync.chaos_worker RUN_ID`.

It does the run turn by turn through the real gateway, skips the waits between the turns, and says how the run ended.
"""

from __future__ import annotations

import sys
from datetime import timedelta

import django

django.setup()

from integrations.core import clock  # noqa: E402 - models need Django first
from integrations.sync import runs  # noqa: E402
from integrations.sync.models import Run  # noqa: E402


def main(run_id: int) -> None:
    print("begun", flush=True)  # noqa: T201
    own = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING)
    while own.exists():
        # A lease of a killed worker would have run out by the time that another one gets the run.
        own.update(due_at=clock.now() - timedelta(seconds=1), lease_owner="", lease_until=None)
        runs.advance(run_id)
        clock.sleep(0.05)  # the governor's pace
    print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
