"""Workers for tests that kill them at any moment: `python -m tests.sync.kills.chaos_worker`, a prepared process.

For each id of a run on its standard input it forks a worker, which says `begun` and its process id. The worker does the
run turn by turn through the real gateway, skips the waits between the turns, and says `ended`. When it is no more,
killed or not, the prepared process says `gone`.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import django

django.setup()

from integrations.core import clock  # noqa: E402 - models need Django first
from integrations.sync import runs  # noqa: E402
from integrations.sync.models import Run  # noqa: E402


def main() -> None:
    for line in sys.stdin:
        worker = os.fork()
        if worker == 0:
            try:
                _work(int(line))
            finally:
                os._exit(0)  # what its parent does next is not its business
        os.waitpid(worker, 0)
        print("gone", flush=True)  # noqa: T201


def _work(run_id: int) -> None:
    print("begun", os.getpid(), flush=True)  # noqa: T201
    own = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING)
    while own.exists():
        # A lease of a killed worker would have run out by the time that another one gets the run.
        own.update(due_at=clock.now() - timedelta(seconds=1), lease_owner="", lease_until=None)
        runs.advance(run_id)
        clock.sleep(0.05)  # the governor's pace
    print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
