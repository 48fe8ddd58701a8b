"""Messages are hints: who can write to the broker starts nothing that a schedule would not start.

Each test plays somebody who sends messages of our tasks, with arguments and headers of their choice.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from celery import current_app
from celery.worker.control import Panel

from hlapp import celery as project
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.parking.task_wrapper import ParkingWrapper
from integrations.quota.permits.lanes import Lane
from integrations.tokens import tasks
from integrations.tokens.admin_pages import commands
from integrations.tokens.models import Credential

OURS = ("gateway.", "installs.", "jobs.", "outbox.", "quota.", "sync.", "tokens.", "upserts.", "webhooks.")
IDS = {"installation_id", "run_id", "app_id", "location_id", "credential_id", "mailbox_id", "plan_id"}


def ours() -> list[str]:
    return sorted(name for name in current_app.tasks if name.startswith(OURS))


def test_messages_have_identifiers_only() -> None:
    """An argument that decides something would be the sender's decision."""
    assert len(ours()) > 10
    for name in ours():
        parameters = inspect.signature(current_app.tasks[name].run).parameters.values()
        named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        assert named <= IDS, name


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
