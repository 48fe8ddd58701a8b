"""A worker killed with SIGKILL in the middle of a job: the next one goes on at the page that was in hand."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from integrations.core import clock
from integrations.jobs import runs
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run
from tests.jobs.conftest import CONTACTS, Defined, ask, turn
from tests.plugin.vendor import Vendor
from tests.support.processes import Process, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def namespace(settings: Settings) -> None:
    """As the workers have it, from their URL: one quota for both."""
    settings.NAMESPACE = connection.settings_dict["NAME"]


def worker(run: Run, *contacts: int) -> AbstractContextManager[Process]:
    """A process that works on the run and asks at these contacts."""
    return running("-m", "tests.jobs.worker", str(run.pk), *map(str, contacts))


def test_killed_in_the_middle_of_a_page(location: str, defined: Defined, vendor: Vendor) -> None:
    seen: list[str] = []

    def rest(run: JobRun) -> None:
        pages = run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})
        seen.extend(contact["id"] for contact in run.each(pages))

    run = ask(defined(rest), location)
    with worker(run, 150) as process:
        process.hear("contact 150", among_others=True)
        run.refresh_from_db()
        assert (run.status, run.checkpoint["done"]) == ("running", 100)
        process.die()
    assert runs.take_due(100, clock.now()) == [], "its lease still stands"
    Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert runs.take_due(100, clock.now()) == [run.pk]
    run = turn(run)
    assert (run.status, run.done, run.turns, run.attempts) == ("complete", CONTACTS, 2, 0)
    assert len(seen) == len(set(seen)) == CONTACTS - 100, "the first page is done, the second is seen again"


def test_undisturbed_the_worker_ends_the_run(location: str, defined: Defined) -> None:
    """So that the test above does not pass because it never does."""
    run = ask(defined(lambda run: None), location)
    with worker(run, 10) as process:
        process.hear("contact 10", among_others=True)
        process.go_on()
        process.hear("done", among_others=True)
    run.refresh_from_db()
    assert (run.status, run.done, len(run.counts)) == ("complete", CONTACTS, CONTACTS)


def test_a_worker_whose_run_was_taken_writes_nothing_more(location: str, defined: Defined) -> None:
    run = ask(defined(lambda run: None), location)
    with worker(run, 150) as process:
        process.hear("contact 150", among_others=True)
        runs.cancel([run], clock.now(), reason="by an operator")
        process.go_on()
        process.hear("done", among_others=True)
    run.refresh_from_db()
    assert (run.status, run.error, run.done) == ("cancelled", "by an operator", 100)
