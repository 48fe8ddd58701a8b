"""A worker of its own process, for tests that kill it: `python -m tests.jobs.worker RUN_ID`.

Its job asks at each contact that is named on its command line ("contact 150" on standard output, then a line from
standard input), so that the test knows to the step where it is.
"""

from __future__ import annotations

import sys

import django

django.setup()

from integrations.jobs import runs  # noqa: E402 - models need Django first
from integrations.jobs.define import background_job  # noqa: E402
from integrations.jobs.job_run import JobRun  # noqa: E402


@background_job("test.job")
def job(run: JobRun) -> None:
    """Asks before it goes on."""
    asked_at = {int(number) for number in sys.argv[2:]}
    for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})):
        run.count(contact["id"])
        if run.progress_columns()["done"] + 1 in asked_at:
            print(f"contact {run.progress_columns()['done'] + 1}", flush=True)  # noqa: T201
            sys.stdin.readline()


if __name__ == "__main__":
    runs.advance(int(sys.argv[1]))
    print("done", flush=True)  # noqa: T201
