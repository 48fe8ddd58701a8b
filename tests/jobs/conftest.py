"""A location of the sandbox vendor with a token and an installation, and a registry of jobs for one test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs import define, events, installed, pausing, runs, schedules
from integrations.jobs.define import Job, background_job
from integrations.jobs.models import Run, Schedule
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from tests.plugin.vendor import SCOPES, Vendor, location_grant, make_app, run_vendor

CONTACTS, PAGES = 230, 4  # the last page is empty
# Other ids each time: a location whose quota is suddenly forgotten (`clean_redis`) rightly rests for a window.
_seeds = itertools.count(7_000)
Defined = Callable[..., Job]


@pytest.fixture(autouse=True)
def no_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: dict[str, Job] = {}
    for room in (define, events, installed, runs, schedules, pausing):
        monkeypatch.setattr(room, "JOBS", jobs)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds))


@pytest.fixture
def app(vendor: Vendor, db: None, clean_redis: Any) -> App:
    row = make_app(vendor)
    row.scopes = f"{SCOPES} calendars.readonly"
    row.save()
    return row


def install(app: App, resource_id: str, user_type: str = UserType.LOCATION, **fields: Any) -> Installation:
    now = clock.now()
    values = {"status": Installation.Status.INSTALLED, "origin": Installation.Origin.APP}
    values |= {"status_at": now, "created_at": now}
    return Installation.objects.create(app=app, user_type=user_type, resource_id=resource_id, **(values | fields))


@pytest.fixture
def location(vendor: Vendor, app: App) -> str:
    """A location with a token, installed."""
    location_id = vendor.locations[0]
    store.save_grant(store.location(app, location_id), location_grant(vendor, app, location_id), now=clock.now())
    install(app, location_id)
    return location_id


@pytest.fixture
def defined() -> Defined:
    """Defines a function as a job, "test.job" unless it is called otherwise."""

    def defined(function: Any, name: str = "test.job", **how: Any) -> Job:
        background_job(name, **how)(function)
        return define.JOBS[name]

    return defined


def ask(job: Job, *tenant_ids: str) -> Run:
    """The job asked for, and its new run of the first tenant."""
    found = Installation.objects.filter(user_type=job.level, resource_id__in=tenant_ids)
    schedules.request_runs(job, found, clock.now())
    schedules.start_due(clock.now())
    return Run.objects.filter(schedule__job=job.name, schedule__tenant_id=tenant_ids[0]).latest("pk")


def turn(run: Run) -> Run:
    """One turn, as soon as it may be."""
    Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
    runs.advance(run.pk)
    run.refresh_from_db()
    return run


def schedule_of(run: Run) -> Schedule:
    return Schedule.objects.get(pk=run.schedule_id)
