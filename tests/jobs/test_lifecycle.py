"""Jobs that start when an installation changes: `on="installed"`, `on="INSTALL"`, `on="uninstalled"`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.installs import events as installs
from integrations.installs import register, uninstall
from integrations.jobs import events, runs, schedules
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run, Trigger
from integrations.tenants import lifecycle_hooks
from integrations.tenants.models import App, Installation
from tests.jobs.conftest import Defined
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db
LOCATION = {"locationId": "loc1", "companyId": "com1"}
seen: list[dict[str, Any]] = []


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_hooks, "HOOKS", {})
    seen.clear()


def see(run: JobRun) -> None:
    """Notes its events."""
    seen.extend(run.events())


def found() -> Installation:
    return Installation.objects.select_related("app").get(resource_id="loc1")


def work() -> None:
    """What dispatcher and workers do until nothing is due."""
    while due := list(lifecycle_hooks.take_due(100, clock.now())):
        for pk in due:
            lifecycle_hooks.deliver(pk)
    for pk in schedules.start_due(clock.now()):
        runs.advance(pk)


@pytest.mark.parametrize("name", ["INSTALL", "installed"])
def test_a_job_starts_once_the_installation_works(app: App, defined: Defined, name: str) -> None:
    defined(see, on=name)
    events.register()
    installs.installed(app, LOCATION, clock.now(), event_id="e1")
    work()
    assert seen == [], "it has no token yet"
    register.finish_pending(found(), at=clock.now())
    work()
    work()
    (event,) = seen
    assert (event["type"], event["locationId"], event["companyId"]) == ("installed", "loc1", "com1")
    assert not Trigger.objects.exists()


def test_a_job_for_an_uninstall_runs_without_an_installation(app: App, defined: Defined) -> None:
    job = defined(see, on="UNINSTALL")
    events.register()
    assert job.runs_after_uninstall
    installs.installed(app, LOCATION, clock.now())
    register.finish_pending(found(), at=clock.now())
    uninstall.removed(found(), at=clock.now() + timedelta(seconds=1), actor="operator op")
    schedules.suspend_uninstalled()
    work()
    schedules.end_uninstalled(clock.now())
    (event,) = seen
    assert (event["type"], event["new"]) == ("uninstalled", "removed by operator op")
    assert Run.objects.get().status == Run.Status.COMPLETE


def test_a_change_over_which_a_job_failed_is_set_aside(app: App, defined: Defined) -> None:
    def fails(run: JobRun) -> None:
        for _ in run.events():
            raise ValueError

    defined(fails, on="updated")
    events.register()
    installs.installed(app, LOCATION | {"versionId": "v1"}, clock.now())
    register.finish_pending(found(), at=clock.now())
    installs.updated(app, LOCATION | {"versionId": "v2"}, clock.now())
    work()
    trigger = Trigger.objects.set_aside().get()
    assert (trigger.type, trigger.payload["new"]) == ("updated", "v2")
    assert trigger.reference in Run.objects.get().error
    assert events.retry(Trigger.objects.all()) == [trigger.pk]
