"""Benchmark of the test kit: seconds that the test of a job takes (`make bench NAME=kit ARGS=20`).

A test is the fixture `highlevel`, which starts the sandbox and installs an agency, a job that reads 20 contacts and
tags each, and the end of the fixture. Two more lines say what the fixture and the job are of it. What pytest adds, and
its servers once in a run, is not counted.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import statistics  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
import time  # noqa: E402

import pytest  # noqa: E402
from django.db import transaction  # noqa: E402

from hlapp.testing import kit  # noqa: E402
from integrations.jobs import define  # noqa: E402
from integrations.jobs.job_run import JobRun  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402

TESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10


@define.background_job("bench.kit", lane=Lane.EVENTS, scopes=("contacts.write",))
def tag(run: JobRun) -> None:
    """Tag every contact."""
    for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 20})):
        run.api.contacts.add_tags(contactId=contact["id"], body={"tags": ["seen"]})
        run.count("tagged")


def one_test() -> tuple[float, float]:
    """Seconds of the whole test, and of its job. Raises AssertionError when the job does not do its work."""
    began, job = time.perf_counter(), 0.0
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        for highlevel in kit.play(patch):
            started = time.perf_counter()
            result = highlevel.run_job("bench.kit")
            job = time.perf_counter() - started
            assert (result.status, result.counts) == ("complete", {"tagged": kit.CONTACTS}), result
        transaction.set_rollback(True)
    return time.perf_counter() - began, job


def main() -> None:
    """Take the time of some tests, and print the medians."""
    one_test()  # imports, and what a process does once
    taken = [one_test() for _ in range(TESTS)]
    whole, job = (statistics.median(times) * 1000 for times in zip(*taken, strict=True))
    rows = [("the test", whole, "ms"), ("its fixture", whole - job, "ms"), ("its job, 21 calls", job, "ms")]
    table(f"Test of a job with the kit, median of {TESTS}", rows, base="the test")


if __name__ == "__main__":
    main()
