"""A worker of its own process, for tests that kill it: `python -m tests.exports.worker RUN_ID`.

It asks before each file is stored ("file 1" on standard output, then a line from standard input).
"""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from integrations.core import clock  # noqa: E402 - models need Django first
from integrations.exports import export_files, reading, runs  # noqa: E402
from integrations.exports.models import ExportPart, Run  # noqa: E402

ROWS = 4  # of a file


def main(run_id: int) -> None:
    reading.BATCH = runs.LARGEST = ROWS
    store, asked = export_files.store, 0

    def ask(*args: Any, **fields: Any) -> ExportPart:
        nonlocal asked
        asked += 1
        print(f"file {asked}", flush=True)  # noqa: T201
        sys.stdin.readline()
        return store(*args, **fields)

    export_files.store = ask
    while Run.objects.filter(pk=run_id, status=Run.Status.RUNNING).update(due_at=clock.now()):
        runs.advance(run_id)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
