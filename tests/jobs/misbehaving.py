"""Jobs for real workers (`celery -A hlapp worker -I tests.jobs.misbehaving`) that hang, crash, leak, or work.

Each begin is one line in the file that `TESTS_LOG` names: job, tenant, process and thread.
"""

from __future__ import annotations

import os
import threading
import time

from integrations.jobs.define import JobRun, background_job

_leaked: list[bytearray] = []


def note(job: str, run: JobRun) -> None:
    with open(os.environ["TESTS_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{job} {run.location} {os.getpid()} {threading.get_ident()} {time.monotonic():.3f}\n")


@background_job("tests.hangs")
def hangs(run: JobRun) -> None:
    """Hangs for ever."""
    note("hangs", run)
    threading.Event().wait()


@background_job("tests.works")
def works(run: JobRun) -> None:
    """Works for a moment."""
    note("works", run)
    time.sleep(float(os.environ.get("TESTS_WORK_SECONDS", "0.05")))


@background_job("tests.goes_on")
def goes_on(run: JobRun) -> None:
    """Works without end, step by step, and says so."""
    note("goes_on", run)
    while True:
        time.sleep(0.05)
        run.checkpoint = {"step": (run.checkpoint or {"step": 0})["step"] + 1}


@background_job("tests.crashes")
def crashes(run: JobRun) -> None:
    """Fails at once."""
    note("crashes", run)
    raise ValueError("a bug")


@background_job("tests.leaks")
def leaks(run: JobRun) -> None:
    """Keeps memory that it never gives back."""
    note("leaks", run)
    _leaked.append(bytearray(os.urandom(1024)) * (1024 * int(os.environ.get("TESTS_LEAK_MB", "8"))))
