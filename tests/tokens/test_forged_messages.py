"""Messages are hints: who can write to the broker starts nothing that a schedule would not start.

Each test plays somebody who sends messages of our tasks, with arguments and headers of their choice.
"""

from __future__ import annotations

import base64
import inspect
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import redis
import time_machine
from celery import current_app
from celery.worker.control import Panel
from django.conf import settings

from hlapp import celery as project
from integrations.console.doctor import beat_proof
from integrations.core import clock
from integrations.core.celery_tasks import URGENT
from integrations.core.models import AuditEntry, LeaderLease
from integrations.core.tenant import UserType
from integrations.installs import tasks as install_tasks
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.parking.task_wrapper import ParkingWrapper
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App, Company, Installation
from integrations.tokens import tasks
from integrations.tokens.admin_pages import commands
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor
from tests.quota.parked import KEY, leading, message, opened

OURS = tuple(f"{room}." for room in settings.ROOMS)
IDS = {"installation_id", "run_id", "app_id", "location_id", "credential_id", "mailbox_id", "plan_id"}
IDS |= {"bulk_id", "change_id", "purge_id", "outbox_id", "upsert_id"}
PROOFS = {"console.heartbeat": {"proof"}}  # decides nothing, and only this deployment can make one


def ours() -> list[str]:
    return sorted(name for name in current_app.tasks if name.startswith(OURS))


def test_messages_have_identifiers_only() -> None:
    """An argument that decides something would be the sender's decision."""
    assert len(ours()) > 35
    assert {name.partition(".")[0] for name in ours()} >= {"console", "exports", "privacy", "problems", "tenants"}
    for name in ours():
        parameters = inspect.signature(current_app.tasks[name].run).parameters.values()
        named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        assert named <= IDS | PROOFS.get(name, set()), name


def test_no_message_is_unpickled() -> None:
    assert current_app.conf.accept_content == ["json"]
    assert current_app.conf.task_serializer == "json"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["tokens.refresh", "tokens.mint", "tokens.repair"])
def test_a_forged_message_spends_no_refresh_token(location: Credential, name: str) -> None:
    """Not even one with the argument that forced a refresh in earlier releases."""
    current_app.tasks[name](credential_id=location.pk, forced=True, due_before=None)
    assert Credential.objects.get(pk=location.pk).generation == location.generation


@pytest.mark.django_db(transaction=True)
def test_an_operators_order_is_in_the_row_and_is_done_once(
    location: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(commands, "enqueue", lambda name, **kwargs: sent.append((name, kwargs)))
    commands.refresh_now(location, actor="operator ann")
    assert sent == [("tokens.refresh", {"credential_id": location.pk})]
    for _ in range(3):
        tasks.refresh_one(credential_id=location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert (row.generation, row.ordered) == (location.generation + 1, "")


@pytest.mark.django_db
@pytest.mark.parametrize("forged", [{"task": "sync.follow"}, {"kwargs": {"number": 2}}], ids=str)
def test_a_message_that_the_parked_row_does_not_describe_starts_nothing(forged: dict[str, Any]) -> None:
    queue.enqueue("tests.spend", app="a" * 24, resource="loc", lane=Lane.BULK, number=1)
    Parked.objects.update(state="handed", turn=1)
    row = Parked.objects.get()
    message = {"task": row.task, "kwargs": row.kwargs} | forged
    headers = {"parked": {"row": row.pk, "turn": 1, "ticket": ["key", "epoch", 0, 0, 0]}}
    with ParkingWrapper().running(message["task"], message["kwargs"], headers) as wanted:
        assert not wanted
    assert Parked.objects.get().state == "handed", "the row waits for its own message, or for the end of its time"


@pytest.fixture
def undue(app: App, vendor: Vendor) -> Installation:
    """An installation whose next reconcile is hours away."""
    now = clock.now()
    company = Company.objects.create(id=vendor.company, created_at=now)
    fields = {"user_type": UserType.COMPANY, "resource_id": company.pk, "status": Installation.Status.INSTALLED}
    return Installation.objects.create(
        app=app,
        company=company,
        origin=Installation.Origin.APP,
        status_at=now,
        created_at=now,
        reconcile_due_at=now + timedelta(hours=6),
        **fields,
    )


@pytest.mark.django_db(transaction=True)
def test_a_forged_message_reconciles_nothing_that_is_not_due(
    undue: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(install_tasks, "reconcile", asked.append)
    reconcile = current_app.tasks["installs.reconcile"]
    reconcile(installation_id=undue.pk)
    assert asked == []
    assert Installation.objects.get(pk=undue.pk).reconcile_due_at == undue.reconcile_due_at
    Installation.objects.update(reconcile_due_at=clock.now())
    assert list(install_tasks.take_due(5, clock.now())) == [undue.pk]
    reconcile(installation_id=undue.pk)
    assert asked == [undue.pk], "the dispatcher's own message is for a row that it has just taken"
    # Parked for the quota of a day: the row is due hours later, the task goes on as soon as it has its permit.
    Installation.objects.update(reconcile_due_at=clock.now() + timedelta(hours=6))
    queue.enqueue("installs.reconcile", app="a" * 24, resource="loc", installation_id=undue.pk)
    Parked.objects.update(state="handed", turn=1)
    parked = {"row": Parked.objects.get().pk, "turn": 1, "ticket": ["key", "epoch", 0, 0, 0]}
    reconcile.apply(kwargs={"installation_id": undue.pk}, headers={"parked": parked}, throw=True)
    assert asked == [undue.pk] * 2


@pytest.mark.django_db(transaction=True)
def test_a_forged_message_seals_nothing_anew_that_is_sealed_by_the_newest_key(location: Credential) -> None:
    before = AuditEntry.objects.count()
    current_app.tasks["vault.rotate"]()
    assert AuditEntry.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_parked_rows_that_are_written_start_nothing_that_is_not_due(
    location: Credential, neighbour: Credential, undue: Installation, vendor: Vendor, clean_redis: redis.Redis
) -> None:
    """Somebody writes rows: of our tasks, with arguments of theirs, under another key, and of no task of ours."""
    spent = vendor.state()["token_requests"]
    credential = {"credential_id": location.pk}
    forged: list[tuple[str, dict[str, Any]]] = [
        ("tokens.refresh", {**credential, "forced": True, "due_before": None}),
        ("tokens.mint", credential),
        ("tokens.repair", credential),
        ("tokens.refresh", {"credential_id": neighbour.pk}),
        ("installs.reconcile", {"installation_id": undue.pk}),
        ("vault.rotate", {}),
        ("console.heartbeat", {"proof": "forged"}),
        ("celery.map", {"task": "tokens.refresh", "it": [credential]}),
        ("os.system", {"command": "true"}),
    ]
    now = clock.now()
    Parked.objects.bulk_create(
        Parked(key=KEY, lane="bulk", task=task, kwargs={**kwargs, "number": n}, parked_at=now, place_at=now, due_at=now)
        for n, (task, kwargs) in enumerate(forged)
    )
    opened()
    entries = AuditEntry.objects.count()
    with leading() as leader:
        assert sorted(leader.until_all(len(forged))) == list(range(len(forged)))
        messages = [message(one) for one in leader.sent]
    known = project.app.tasks.keys() - {name for name in project.app.tasks if name.startswith("celery.")}
    for task, kwargs, headers in messages:
        if task in known:
            current_app.tasks[task].apply(kwargs=kwargs, headers=headers, throw=True)
    rows = {row.pk: row for row in Credential.objects.all()}
    assert [rows[row.pk].generation for row in (location, neighbour)] == [location.generation, neighbour.generation]
    assert vendor.state()["token_requests"] == spent
    assert Installation.objects.get(pk=undue.pk).reconcile_due_at == undue.reconcile_due_at
    assert not LeaderLease.objects.filter(name="beat").exists()
    assert AuditEntry.objects.count() == entries
    assert set(Parked.objects.values_list("task", flat=True)) == {"celery.map", "os.system"}, "no worker knows these"


@pytest.mark.django_db
def test_only_beat_keeps_beat_alive(clean_redis: redis.Redis) -> None:
    heartbeat = current_app.tasks[beat_proof.TASK]
    with time_machine.travel(datetime(2026, 11, 29, 12, tzinfo=UTC), tick=False) as traveller:
        current_app.send_task(beat_proof.TASK, queue=URGENT)
        queued = f"{current_app.conf.broker_transport_options['global_keyprefix']}{URGENT}"
        sent = json.loads(cast("bytes", clean_redis.lpop(queued)))
        kwargs = json.loads(base64.b64decode(sent["body"]))[1]
        heartbeat()
        for proof in ("", "beat", kwargs["proof"] + "x", 1):
            heartbeat(proof=proof)
        traveller.shift(timedelta(seconds=31))
        heartbeat(**kwargs)
        assert not LeaderLease.objects.filter(name="beat").exists(), "one that somebody kept is too old"
        traveller.shift(timedelta(seconds=-31))
        heartbeat(**kwargs)
    assert LeaderLease.objects.filter(name="beat").exists()


def test_a_worker_answers_questions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "data", dict(Panel.data))
    registry = dict(current_app.tasks)
    try:
        project._answer_questions_only()
        assert Panel.data.keys() == project.ANSWERED
        assert [name for name in current_app.tasks if name.startswith("celery.")] == []
        assert set(ours()) <= current_app.tasks.keys()
    finally:
        current_app.tasks.update(registry)
