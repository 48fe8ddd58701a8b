"""`manage.py sync`: what it asks for, what it says, and with which code it leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.errors import RequestRejected, VendorAnswer
from integrations.sync import runs, tasks
from integrations.sync.models import Plan, Run
from tests.support.own_sleep import replace_sleep
from tests.sync.conftest import LOCATION, run_once
from tests.sync.listing import Listing, of


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Listing:
    """A worker that does every running run while the command sleeps between two looks."""
    listing = of(120)

    def work(_seconds: float) -> None:
        Run.objects.update(due_at=clock.now())  # a retry waits for nothing here
        for run in Run.objects.filter(status=Run.Status.RUNNING):
            runs.advance(run.pk, page=listing.page, record=listing.record)

    replace_sleep(monkeypatch, work)
    monkeypatch.setattr(tasks, "workers", lambda: 1)
    return listing


def sync(*arguments: str) -> None:
    call_command("sync", *arguments)


def test_it_asks_and_leaves(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    sync()
    assert capsys.readouterr().out == "1 plans are due now.\n"
    assert Run.objects.get().status == Run.Status.RUNNING


def test_it_waits_and_says_what_happened(plan: Plan, workers: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    sync("--wait")
    assert capsys.readouterr().out == f"{LOCATION} contacts: full complete, 120 seen, 0 deleted\n"


def test_in_full(plan: Plan, workers: Listing) -> None:
    run_once(plan, workers)
    sync("--wait")
    sync("--wait", "--full")
    sync("--wait", "--repair")
    assert [run.kind for run in Run.objects.order_by("pk")] == ["full", "incremental", "full", "repair"]


def test_only_what_is_named(plan: Plan) -> None:
    other = Plan.objects.create(app=plan.app, location_id="other", resource="contacts", created_at=clock.now())
    users = Plan.objects.create(app=plan.app, location_id="other", resource="users", created_at=clock.now())
    sync("--location", "other", "--resource", "users")
    assert [run.plan for run in Run.objects.all()] == [users]
    sync("--location", "other")
    assert {run.plan for run in Run.objects.all()} == {users, other}


def test_json(plan: Plan, workers: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    sync("--wait", "--json")
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)
    assert (row["location_id"], row["status"], row["seen"]) == (LOCATION, "complete", 120)
    assert captured.err == ""


def test_a_failed_run_is_a_failed_command(plan: Plan, workers: Listing, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_number: int) -> None:
        raise RequestRejected("the vendor says no", vendor=VendorAnswer(status=404))

    workers.before = refuse
    with pytest.raises(SystemExit) as left:
        sync("--wait")
    assert left.value.code == 1
    assert "full failed, 0 seen, 0 deleted: the vendor says no" in capsys.readouterr().out


@pytest.mark.parametrize(("alive", "says"), [(0, "no worker is running"), (None, "the broker does not answer")])
def test_without_a_worker_it_says_so_and_does_not_wait(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, alive: int | None, says: str
) -> None:
    monkeypatch.setattr(tasks, "workers", lambda: alive)
    with pytest.raises(CommandError, match=says):
        sync("--wait")
    assert Run.objects.get().status == Run.Status.RUNNING, "what was asked for stays asked for"


@pytest.mark.parametrize("arguments", [["--location", "nowhere"], ["--resource", "users"]])
def test_nothing_to_sync_is_said(plan: Plan, arguments: list[Any]) -> None:
    with pytest.raises(CommandError, match="no enabled plan"):
        sync(*arguments)
