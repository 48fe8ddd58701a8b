"""The page of workers and queues: what runs, what is silent, what waits, and who leads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from integrations.console.workers_page import broker_messages
from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.models import LeaderLease, WorkerProcess
from integrations.core.runs.querysets import QUEUED
from integrations.sync.models import Plan
from integrations.tenants.models import Installation
from integrations.webhooks.models import Mailbox
from tests.console.conftest import LOCATION, OTHER, begin_run

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
PAGE = "/admin/core/workerprocess/"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_messages, "lengths", lambda: {URGENT: 2, DEFAULT: 1})


def report(name: str, *, ago: int = 0, **state: Any) -> None:
    at = clock.now() - timedelta(seconds=ago)
    WorkerProcess.objects.report(name, threads=16, queues=[URGENT, DEFAULT], now=at, **state)


def test_it_says_what_each_process_works_on_and_which_fell_silent(operator_client: Client, settings: Any) -> None:
    settings.WORKER_MEMORY_BYTES = 1024 * 2**20
    sync, job = "sync contacts (run 7)", "job app.tags (run 9)"
    work = [{"work": sync, "queue": DEFAULT, "seconds": 12}, {"work": job, "queue": DEFAULT, "seconds": 75}]
    hung = [{"work": job, "seconds": 70, "position": "in tags, line 9"}]
    report("web-1:41:aa:bb", memory=512 * 2**20, work=work, hung=hung)
    report("web-1:42:aa:bb", memory=100 * 2**20)
    report("web-2:43:aa:bb", ago=300, work=work)
    shown = operator_client.get(PAGE)
    first, idle, silent = shown.context["workers"]
    assert (first.host, first.process, first.busy, first.memory, first.memory_part) == ("web-1", "41", 2, "512 MB", 50)
    assert (first.tone, first.state) == ("bad", "1 of its threads hang")
    assert [part["time"] for part in first.work] == ["12 s", "75 s"]
    assert (idle.state, idle.work) == ("idle", [])
    assert (silent.tone, silent.state, silent.work) == ("bad", "silent, 5 min ago", []), "what it did then is not known"
    text = shown.content.decode()
    assert "writes nothing, in tags, line 9" in text
    assert [card[1] for card in shown.context["cards"]] == ["2", "2 of 32", "0 s", "3"]


def test_it_counts_what_is_due_and_how_long_the_first_has_waited(operator_client: Client, agency: Installation) -> None:
    now = clock.now()
    Mailbox.objects.create(app=agency.app, tenant=f"location:{LOCATION}", due_at=now - timedelta(minutes=10))
    Mailbox.objects.create(
        app=agency.app, tenant=f"location:{OTHER}", due_at=now, lease_owner="a", lease_until=now + timedelta(seconds=30)
    )
    leased = {"lease_until": now + timedelta(seconds=30)}
    begin_run(Plan.objects.get(location_id=LOCATION), lease_owner="a:1:b:c", **leased)
    begin_run(Plan.objects.get(location_id=OTHER), lease_owner=QUEUED, **leased)
    found = {row.title: row for row in operator_client.get(PAGE).context["queues"]}
    boxes, runs = found["Mailboxes with events"], found["Sync runs"]
    assert (boxes.due, boxes.under_way, boxes.tone) == (1, 1, "bad")
    assert (runs.due, runs.under_way, runs.tone) == (0, 1, "good"), "a message in the broker is neither"
    cards = operator_client.get(PAGE).context["cards"]
    assert cards[2][1:] == ("10 min", "Mailboxes with events, 1 due", "bad")


def test_it_names_the_leaders_and_what_troubles_them(operator_client: Client) -> None:
    held = {"sent": 4, "unstarted": 1, "trouble": ""}
    LeaderLease.objects.hold("dispatcher", "web-1:41:aa:bb", timedelta(minutes=1), **held)  # type: ignore[arg-type]
    LeaderLease.objects.hold("parked tasks", "web-1:41:aa:cc", timedelta(minutes=-10), **held)  # type: ignore[arg-type]
    sends, permits = operator_client.get(PAGE).context["leaders"]
    assert (sends.process, sends.state, sends.sent, sends.unstarted) == ("web-1, process 41", "leads", 4, 1)
    assert (permits.tone, permits.state) == ("bad", "nobody, since 10 min ago")
    LeaderLease.objects.update(trouble="the broker does not take messages")
    assert operator_client.get(PAGE).context["leaders"][0].state == "the broker does not take messages"


def test_without_a_worker_and_without_a_broker_it_says_so(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_messages, "lengths", lambda: None)
    text = operator_client.get(PAGE).content.decode()
    assert "No worker runs" in text
    assert "does not answer" in text


def test_the_broker_is_asked_for_the_lengths_of_its_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert broker_messages.lengths() == {URGENT: 0, DEFAULT: 0}
