"""Real workers whose threads hang: others' work goes on, no run is given out twice, and the process heals itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.db import connection
from django.test import Client
from pytest_django import Settings

from integrations.console.doctor import job_check
from integrations.console.doctor.findings import Level
from integrations.core import clock
from integrations.core.models import WorkerProcess
from integrations.core.runs.querysets import QUEUED
from integrations.jobs import macs, queries
from integrations.jobs.models import JobState, Run, Schedule
from integrations.tenants.models import App
from tests.jobs.conftest import install
from tests.jobs.workers import Worker, worker
from tests.support.waiting import wait_until
from tests.sync.conftest import app as app

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MOST_SECONDS = 25.0  # from SIGTERM to the end of any process


@pytest.fixture(autouse=True)
def namespace(clean_redis: redis.Redis, settings: Settings) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the workers have it, from their URL


def due(app: App, job: str, *tenants: str) -> None:
    now = clock.now()
    for tenant in tenants:
        if not app.installations.filter(resource_id=tenant).exists():
            install(app, tenant)
    Schedule.objects.bulk_create(
        macs.signed_schedule(Schedule(app=app, job=job, level="Location", tenant_id=tenant, due_at=now, created_at=now))
        for tenant in tenants
    )


def ended(job: str, status: str) -> int:
    return Run.objects.filter(schedule__job=job, status=status).count()


def terminate(running: Worker) -> float:
    """Seconds from SIGTERM to the end of the process, which has to end with status 0."""
    began = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0, running.describe()
    return time.monotonic() - began


def test_a_job_that_hangs_leaves_threads_to_others_and_its_process_starts_anew(
    tmp_path: Path, app: App, admin_client: Client
) -> None:
    with worker(tmp_path, JOB_SILENT_SECONDS="10") as running:
        due(app, "tests.hangs", "loc0")
        wait_until(lambda: running.begun("hangs"), describe=running.describe)
        due(app, "tests.works", *(f"loc{number}" for number in range(8)))
        wait_until(lambda: ended("tests.works", "complete") == 8, describe=running.describe)
        assert ended("tests.hangs", "failed") == 0, "the others are done while it hangs"
        (first,) = WorkerProcess.objects.all()
        named: list[Any] = wait_until(lambda: queries.hung_now(clock.now()), describe=running.describe)
        assert "job tests.hangs for loc" in named[0]["work"]
        assert "of misbehaving.py" in named[0]["position"]
        failing = [finding for finding in job_check.background_jobs() if finding.level is Level.FAILED]
        assert [named[0]["work"] in finding.found for finding in failing] == [True], "doctor names it while it hangs"
        assert f"hangs: {named[0]['work']}" in admin_client.get("/admin/").content.decode(), "so does the dashboard"
        wait_until(lambda: ended("tests.hangs", "failed") == 1, describe=running.describe)
        run = Run.objects.get(schedule__job="tests.hangs")
        assert (run.error_code, run.turns) == ("silent", 1)
        assert "in hangs, line" in run.error
        assert JobState.objects.get(job="tests.hangs").crashes == 1
        assert [one.job for one in queries.hung_lately(clock.now(), within=Run.lease_term)] == ["tests.hangs"]
        due(app, "tests.works", "loc8")
        wait_until(lambda: ended("tests.works", "complete") == 9, describe=running.describe)
        assert not WorkerProcess.objects.filter(pk=first.pk).exists()
        assert running.process.poll() is None, "it replaced itself under its own process id"
        assert len(running.begun("hangs")) == 1, "no second thread has got the run"


def test_a_process_that_starts_anew_loses_no_work_of_its_other_threads(tmp_path: Path, app: App) -> None:
    """One neighbour of the hung thread can stop between two steps, the other one works on for seconds."""
    with worker(tmp_path, JOB_SILENT_SECONDS="10", TESTS_WORK_SECONDS="8") as running:
        due(app, "tests.hangs", "loc0")
        due(app, "tests.goes_on", "loc1")
        wait_until(lambda: running.begun("goes_on"), describe=running.describe)
        wait_until(lambda: queries.hung_now(clock.now()), describe=running.describe)
        due(app, "tests.works", "loc2")
        wait_until(lambda: running.begun("works"), describe=running.describe)
        before = _steps()
        wait_until(lambda: ended("tests.hangs", "failed"), describe=running.describe)
        turns = wait_until(lambda: running.begun("goes_on")[1:], describe=running.describe)
        assert turns[0][1] == running.begun("hangs")[0][1], "the process has kept its id"
        assert _steps() >= before > 0, "it goes on where it was"
        wait_until(lambda: _steps() > before, describe=running.describe)
        assert "worker.replaced" in running.log.read_text()
        assert ended("tests.works", "complete") == 1, "the process waited for it"
        assert len(running.begun("works")) == 1
    assert list(Run.objects.filter(schedule__job="tests.goes_on").values_list("status", "attempts")) == [("running", 0)]


def _steps() -> int:
    run = Run.objects.get(schedule__job="tests.goes_on")
    return int((run.checkpoint.get("own") or {"step": 0})["step"])


def test_urgent_work_has_threads_of_its_own(tmp_path: Path, clean_redis: redis.Redis, settings: Settings) -> None:
    """A worker as `celery -A hlapp worker -P threads` starts it, and more stuck tasks than it has threads."""
    prefix = f"{settings.NAMESPACE}:celery:"
    with (
        worker(tmp_path, "-c 4") as running,
        Celery(broker=os.environ["REDIS_URL"], set_as_current=False) as sender,
    ):
        sender.conf.broker_transport_options = {"global_keyprefix": prefix}
        for number in range(12):
            sender.send_task("tests.dawdle", kwargs={"number": number, "resource": "stuck", "seconds": 60}, queue="api")
        wait_until(lambda: clean_redis.llen(f"{prefix}api") == 9, describe=running.describe)
        for number in range(20):
            sender.send_task("tests.dawdle", kwargs={"number": number, "resource": "r", "seconds": 0}, queue="urgent")

        def done() -> int:
            return sum(line.startswith("done ") for line in running.journal.read_text().splitlines())

        wait_until(lambda: done() == 20, describe=running.describe)
        assert clean_redis.llen(f"{prefix}api") == 9, "no thread of the urgent queue takes another task"


def test_a_process_that_grows_too_large_starts_anew(tmp_path: Path, app: App) -> None:
    with worker(tmp_path, WORKER_MEMORY_MB="300", TESTS_LEAK_MB="200") as running:
        due(app, "tests.leaks", "loc0")
        wait_until(lambda: ended("tests.leaks", "complete") == 1, describe=running.describe)
        wait_until(lambda: "worker.replaced" in running.log.read_text(), describe=running.describe)
        assert "tests.leaks (+" in running.log.read_text(), "the log names the job"
        due(app, "tests.works", "loc0")
        wait_until(lambda: ended("tests.works", "complete") == 1, describe=running.describe)


def test_sigterm_hands_back_what_goes_on_and_what_hangs(tmp_path: Path, app: App) -> None:
    with worker(tmp_path, "-c 8 -Q urgent,api") as running:
        due(app, "tests.hangs", "loc0")
        due(app, "tests.goes_on", "loc1")
        wait_until(lambda: running.begun("hangs") and running.begun("goes_on"), describe=running.describe)
        assert terminate(running) < MOST_SECONDS
    for run in Run.objects.all():
        assert (run.status, run.attempts) == ("running", 0), run.schedule
        # Between the hand-back and the end of this process its dispatcher may have sent it again, for another worker.
        assert run.lease_owner in ("", QUEUED), run.schedule
    assert Run.objects.get(schedule__job="tests.goes_on").checkpoint["own"]["step"] > 0, "with its checkpoint"
    assert not WorkerProcess.objects.exists()


def test_sigterm_ends_a_worker_without_stuck_threads_at_once(tmp_path: Path, app: App) -> None:
    with worker(tmp_path) as running:
        due(app, "tests.goes_on", "loc1")
        wait_until(lambda: running.begun("goes_on"), describe=running.describe)
        assert terminate(running) < MOST_SECONDS / 2
