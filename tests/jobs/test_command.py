"""`manage.py job`: what there is, and starting it."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs import runs, schedules, tasks, wait_for_runs
from integrations.jobs.job_run import JobRun
from integrations.jobs.management.commands import job as command
from integrations.jobs.models import Run, Write
from integrations.jobs.queries import with_latest_runs
from integrations.tenants import marketplace
from integrations.tenants.models import App
from tests.jobs.conftest import Defined, ask, install
from tests.support.own_sleep import replace_sleep
from tests.support.signed import sign
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    monkeypatch.setattr(marketplace, "find", lambda name: app)
    monkeypatch.setattr(command.queries, "JOBS", runs.JOBS)
    for number in range(2):
        install(app, f"loc{number}")


def counts(run: JobRun) -> None:
    """Counts to three."""
    for _ in run.track(range(3), total=3):
        run.count("counted")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("job", *arguments, stdout=out)
    return out.getvalue()


def test_list_tells_when_and_for_how_many(defined: Defined) -> None:
    defined(counts, every=timedelta(hours=1), on="ContactCreate")
    text = run("list")
    assert text.startswith("test.job")
    assert "every 1:00:00, on ContactCreate; 0 tenants; bulk" in text
    assert "Counts to three." in text
    (entry,) = json.loads(run("list", "--json"))
    assert (entry["name"], entry["every_seconds"], entry["events"]) == ("test.job", 3600.0, ["ContactCreate"])


def test_list_does_not_say_that_a_job_for_events_has_no_tenants(defined: Defined) -> None:
    defined(counts, on="ContactCreate")
    assert "on ContactCreate; 0 tenants had one; " in run("list")


def test_without_jobs_list_says_where_to_begin() -> None:
    assert "README.md" in run("list")


def test_run_asks_for_one_or_all(defined: Defined) -> None:
    defined(counts)
    assert run("run", "test.job", "--location", "loc0").strip() == "test.job runs now for 1 tenant."
    assert run("run", "test.job", "--all").strip() == "test.job runs now for 2 tenants."


def test_wait_watches_to_the_end(defined: Defined, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is this test: it works whenever the command sleeps."""
    defined(counts)

    def work(seconds: float) -> None:
        schedules.start_due(clock.now())
        for pk in Run.objects.filter(status="running").values_list("pk", flat=True):
            runs.advance(pk)

    monkeypatch.setattr(tasks, "workers", lambda: [["test.job"]])
    replace_sleep(monkeypatch, work)
    entries: list[dict[str, Any]] = json.loads(run("run", "test.job", "--all", "--wait", "--json"))
    assert [(entry["tenant"], entry["status"], entry["counts"]) for entry in entries] == [
        ("loc0", "complete", {"counted": 3}),
        ("loc1", "complete", {"counted": 3}),
    ]
    assert run("run", "test.job", "--location", "loc0", "--wait").strip() == "loc0: complete, 3 counted"


def test_wait_says_when_a_run_fails(defined: Defined, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: JobRun) -> None:
        raise ValueError("secret")

    defined(fails)
    monkeypatch.setattr(tasks, "workers", lambda: [["test.job"]])

    def work(seconds: float) -> None:
        for pk in Run.objects.filter(status="running").values_list("pk", flat=True):
            runs.advance(pk)
        schedules.start_due(clock.now())

    replace_sleep(monkeypatch, work)
    with pytest.raises(SystemExit):
        run("run", "test.job", "--location", "loc0", "--wait")


@pytest.mark.parametrize(
    ("alive", "words"),
    [
        ([], "no worker is running"),
        (None, "the broker does not answer"),
        ([["old.job"], []], r"no running worker has loaded test\.job; restart the workers"),
    ],
)
def test_wait_without_a_worker_is_shown(
    defined: Defined, monkeypatch: pytest.MonkeyPatch, alive: list[list[str]] | None, words: str
) -> None:
    defined(counts)
    monkeypatch.setattr(command, "_RESTART_SECONDS", 0.0)
    replace_sleep(monkeypatch)
    monkeypatch.setattr(tasks, "workers", lambda: alive)
    with pytest.raises(CommandError, match=words):
        run("run", "test.job", "--all", "--wait")


def test_mistakes_are_one_clear_line(defined: Defined) -> None:
    defined(counts)
    defined(counts_for_agencies, name="test.agencies", level=UserType.COMPANY)
    for arguments, words in (
        (("nobody", "--all"), "there is no job 'nobody'; there are: test.agencies, test.job"),
        (("test.job", "--location", "elsewhere"), "installed on no such tenant"),
        (("test.agencies", "--location", "loc0"), "give --company ID"),
        (("test.job", "--company", "c"), "give --location ID"),
    ):
        with pytest.raises(CommandError, match=words):
            run("run", *arguments)


def counts_for_agencies(run: JobRun) -> None:
    """Another."""


def test_a_schedule_without_a_run_is_shown(defined: Defined) -> None:
    defined(counts)
    run("run", "test.job", "--location", "loc0")
    (scheduled,) = with_latest_runs(Run.schedule.field.related_model.objects.all())
    assert (scheduled.status, scheduled.as_json()["run_id"]) == ("", None)
    assert not wait_for_runs.is_done(scheduled)
    assert clock.now() >= (scheduled.schedule.due_at or clock.now())


def test_unknown_writes_are_listed_and_decided(defined: Defined) -> None:
    job = defined(counts)
    run_ = ask(job, "loc0")
    moments = dict.fromkeys(("sent_at", "settled_at"), clock.now() - timedelta(minutes=5))
    Run.objects.filter(pk=run_.pk).update(status="unknown", finished_at=clock.now())
    sign(Run)
    write = Write.objects.create(
        schedule=run_.schedule, run=run_, operation="a.write", state="unknown", reason="no answer", **moments
    )
    assert f"{write.pk} a.write of test.job for loc0, sent at" in run("unknown")
    (entry,) = json.loads(run("unknown", "test.job", "--json"))
    assert (entry["id"], entry["operation"], entry["reason"]) == (write.pk, "a.write", "no answer")
    for wrong in (["--did-not-happen", "--answer", "{}"], ["--happened", "--answer", "{"]):
        with pytest.raises(CommandError, match="answer"):
            run("decide", str(write.pk), *wrong)
    assert "a.write happened. Its run goes on." in run("decide", str(write.pk), "--happened", "--answer", '{"id": 1}')
    write.refresh_from_db()
    assert (write.state, write.answer) == ("confirmed", {"status": 0, "json": {"id": 1}, "trace_id": None})
    assert Run.objects.get(pk=run_.pk).status == "running"
    with pytest.raises(CommandError, match="not unknown"):
        run("decide", str(write.pk), "--did-not-happen")
    assert run("unknown").strip() == "no write is unknown"
