"""Messages are sent on commit and may be lost; what a failed task means is written in the error tree alone."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from celery import Celery, current_app, current_task, shared_task
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Retry
from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError, connection, transaction

import hlapp.celery
from integrations.core import audit, celery_tasks, errors
from integrations.core.celery_tasks import BaseTask, enqueue
from integrations.core.errors import IntegrationError
from integrations.core.models import AuditEntry
from integrations.core.observing import log_scope, spans
from tests.support.traced import traced
from tests.support.waiting import wait_until

Sent = Callable[[], list[tuple[str, dict[str, Any], str | None]]]


def kinds(above: type[IntegrationError]) -> list[type[IntegrationError]]:
    """All errors below one in the tree, and it."""
    return [above, *(kind for below in above.__subclasses__() for kind in kinds(below))]


RETRYABLE = kinds(errors.Retryable)
FINAL = [kind for kind in kinds(IntegrationError) if kind not in RETRYABLE]


@pytest.fixture
def sent(clean_redis: redis.Redis) -> Sent:
    """The messages at the broker: task, arguments and when they may be run."""

    def sent() -> list[tuple[str, dict[str, Any], str | None]]:
        prefix = current_app.conf.broker_transport_options["global_keyprefix"]
        found = []
        while raw := clean_redis.rpop(f"{prefix}api"):
            message = json.loads(cast("bytes", raw))
            body = json.loads(base64.b64decode(message["body"]))
            found.append((message["headers"]["task"], body[1], message["headers"]["eta"]))
        return found

    return sent


@pytest.mark.django_db(transaction=True)
class TestEnqueue:
    def test_a_message_leaves_with_the_commit(self, sent: Sent) -> None:
        with transaction.atomic():
            enqueue("room.verb", row_id=7)
            assert sent() == []
        assert sent() == [("room.verb", {"row_id": 7}, None)]

    def test_nothing_is_sent_after_a_rollback(self, sent: Sent) -> None:
        with transaction.atomic():
            enqueue("room.verb", row_id=7)
            transaction.set_rollback(True)
        assert sent() == []

    def test_outside_a_transaction_it_leaves_at_once(self, sent: Sent) -> None:
        enqueue("room.verb")
        assert sent() == [("room.verb", {}, None)]

    def test_a_broker_that_is_away_costs_no_work(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The row is committed; the sweep will find it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nowhere = f"redis://127.0.0.1:{free.getsockname()[1]}/0"
            away = Celery("away", broker=nowhere, set_as_current=False)
            monkeypatch.setattr(celery_tasks, "current_app", away)
            began = time.monotonic()
            with transaction.atomic():
                audit.record("b", actor="a", subject="c")
                enqueue("room.verb", row_id=7)
            assert time.monotonic() - began < 30
        assert AuditEntry.objects.count() == 1
        assert [(entry["event"], entry["task"]) for entry in logged(caplog)] == [("job.not_sent", "room.verb")]


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        record.msg for record in caplog.records if record.name == celery_tasks.__name__ and isinstance(record.msg, dict)
    ]


@shared_task(name="tests.fails", base=BaseTask)
def fails(error: Exception) -> None:
    raise error


Attempt = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def attempt(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Attempt:
    """Run a task that fails with this error as a worker does on its n-th attempt; what it logged.

    Where a worker would send the message again the decision itself is raised: Retry, with its wait.
    """
    caplog.set_level("INFO")

    def decided(self: BaseTask, **how: Any) -> Retry:
        return Retry("again", when=how["countdown"], exc=how["exc"])

    def attempt(error: Exception, *, retries: int = 0, **request: Any) -> list[dict[str, Any]]:
        monkeypatch.setattr(BaseTask, "retry", decided)
        task = current_app.tasks["tests.fails"]
        task.push_request(retries=retries, called_directly=False, **request)
        try:
            task(error)
        finally:
            task.pop_request()
        return logged(caplog)

    return attempt


@pytest.mark.parametrize("kind", RETRYABLE)
def test_what_is_retryable_is_retried_when_it_says(attempt: Attempt, kind: type[errors.Retryable]) -> None:
    with pytest.raises(Retry) as again:
        attempt(kind("later", retry_after=7.5))
    assert again.value.when == 7.5


@pytest.mark.parametrize("kind", FINAL)
def test_everything_else_is_logged_and_over(attempt: Attempt, kind: type[IntegrationError]) -> None:
    (entry,) = attempt(kind("no", resource="loc1"))
    assert (entry["event"], entry["code"], entry["resource"]) == ("job.failed", kind.code, "loc1")


def test_without_a_moment_it_backs_off_further_each_time(attempt: Attempt) -> None:
    for retries, longest in enumerate([2, 4, 8, 16, 32, 60]):
        with pytest.raises(Retry) as again:
            attempt(errors.Unreachable("away"), retries=retries)
        wait: Any = again.value.when
        assert 0.1 <= wait <= longest


def test_after_six_tries_the_row_decides(attempt: Attempt) -> None:
    (entry,) = attempt(errors.Unreachable("away"), retries=6)
    assert (entry["event"], entry["attempt"]) == ("job.again", 6)


def test_a_wait_longer_than_a_minute_is_the_rows_business(attempt: Attempt) -> None:
    (entry,) = attempt(errors.QuotaExhausted("no", retry_after=3600.0))
    assert (entry["event"], entry["wait"]) == ("job.again", 3600.0)


def test_a_row_that_has_gone_is_no_failure(attempt: Attempt) -> None:
    (entry,) = attempt(ObjectDoesNotExist("no such run"))
    assert (entry["event"], entry["level"]) == ("job.row_gone", "info")


@pytest.mark.parametrize("away", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_is_away_is_a_line_and_another_try(attempt: Attempt, away: Exception) -> None:
    with pytest.raises(Retry) as again:
        attempt(away)
    assert isinstance(again.value.exc, errors.StoreUnavailable)


def test_a_sweep_that_lost_the_database_comes_again_by_itself(attempt: Attempt) -> None:
    (entry,) = attempt(OperationalError("gone"), expires="2026-01-01T00:01:00Z")
    assert (entry["event"], entry["level"]) == ("job.database_away", "warning")


def test_an_unexpected_error_is_not_hidden(attempt: Attempt) -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(ZeroDivisionError())


def test_backoff_is_jittered_and_capped() -> None:
    waits = [celery_tasks.backoff(20, cap=5.0) for _ in range(50)]
    assert all(0.1 <= wait <= 5.0 for wait in waits)
    assert len(set(waits)) > 40


def test_every_job_of_ours_is_a_job_with_late_acknowledgement() -> None:
    current_app.loader.import_default_modules()
    ours = {name: task for name, task in current_app.tasks.items() if not name.startswith(("celery.", "tests."))}
    assert {"tokens.sweep", "installs.sweep", "webhooks.drain", "sync.sweep"} <= set(ours)
    for name, task in ours.items():
        assert isinstance(task, BaseTask), name
        assert task.acks_late, name
        assert task.ignore_result, name
    scheduled = {entry["task"] for entry in current_app.conf.beat_schedule.values()}
    assert scheduled <= set(ours)


seen: list[int] = []
ids: list[dict[str, Any]] = []  # that lines of the task had


@shared_task(name="tests.third_time", base=BaseTask)
def third_time(**_: Any) -> None:
    seen.append(current_task.request.retries)
    ids.append(dict(log_scope.current()))
    if len(seen) < 3:
        raise errors.Unreachable("away", retry_after=0.05)


@pytest.fixture
def worker(clean_redis: redis.Redis, transactional_db: None) -> Iterator[None]:
    """A worker in this process; the time limits of its sessions are not those of the tests after it."""
    configured = connection.settings_dict
    seen.clear()
    ids.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configured, "OPTIONS", {**configured["OPTIONS"]})
        with start_worker(current_app, pool="threads", perform_ping_check=False, queues=["api"], loglevel="ERROR"):
            yield
    # Its sessions in the pool have those limits, and emptying the tables after this opens others.
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


def test_a_real_worker_comes_back_to_it(worker: None) -> None:
    current_app.send_task("tests.third_time", kwargs={"row_id": 1, "new_in_the_next_version": True})
    wait_until(lambda: len(seen) >= 3)
    assert seen == [0, 1, 2]


def test_a_task_has_the_ids_of_the_request_that_enqueued_it(worker: None) -> None:
    carried = {"request_id": "request-1", "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}
    with log_scope.scope(**carried, tenant="location:l1"):  # the tenant is in the task's row
        enqueue("tests.third_time")
    wait_until(lambda: len(seen) >= 3)
    assert ids == [{**carried, "task": "tests.third_time"}] * 3


def test_a_task_belongs_to_the_trace_of_the_request_that_enqueued_it(worker: None) -> None:
    with traced() as found:
        with spans.span("POST", "server"):
            enqueue("tests.third_time")
        wait_until(lambda: found.names().count("task tests.third_time") >= 3)
        assert found.chain(found.spans()[-1]) == ["task tests.third_time"] * 3 + ["POST"]
        trace = format(found.one("POST").context.trace_id, "032x")
    assert {one["trace"] for one in ids} == {trace}


def test_a_task_without_a_request_has_a_trace_of_its_own(worker: None) -> None:
    for header in ({}, {"request_id": "forged\nline", "trace": "short"}):
        current_app.send_task("tests.third_time", headers=header)
    wait_until(lambda: len(seen) >= 2)
    assert all({*one} == {"task", "trace"} and len(one["trace"]) == 32 for one in ids)
    assert ids[0]["trace"] != ids[1]["trace"]


@pytest.mark.parametrize(("pool", "starts"), [("threads", True), ("processes", False)])
def test_a_worker_whose_pool_has_no_guard_does_not_start(
    pool: str, starts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert current_app.conf.worker_pool == "threads"
    with nullcontext() if starts else pytest.raises(SystemExit):
        hlapp.celery._refuse_other_pools(SimpleNamespace(pool_cls=pool))
    assert ("start it with -P threads" in capsys.readouterr().err) is not starts
