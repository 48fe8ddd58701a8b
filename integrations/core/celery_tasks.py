"""Celery tasks: registration, sending on commit, and retries decided by the error tree.

A message is only a hint. Due work is a row with a due time, and the dispatcher (`core.dispatch`) sends its message.
`enqueue` is for the few tasks without such a row, and for work that an operator starts now. If such a message is lost,
a periodic task (sweep) of the room finds the work again. So a broker outage delays work by seconds and loses none, and
a worker never holds a message for longer than a minute.

Log events are named `job.*` (`job.failed`, `job.again`, `job.not_sent`, ...): operators' searches and alerts rely on
these names, so they do not change, although the code calls what Celery runs a task.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, Protocol

import structlog
from celery import Task, current_app, shared_task
from django import db
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error as DatabaseError
from django.db import transaction
from kombu.exceptions import OperationalError

from integrations.core.errors import IntegrationError, QuotaExhausted, Retryable, StoreUnavailable
from integrations.core.observing import log_scope, spans
from integrations.core.process import activity

P = ParamSpec("P")
log = structlog.get_logger(__name__)

LONGEST_COUNTDOWN = 60.0
URGENT = "urgent"  # the queue that workers empty first: webhooks, token refresh, interactive work
DEFAULT = "api"  # the queue of everything else: sync and jobs
RESERVED = 4  # one of so many threads of a worker is kept for the urgent queue
_BACKOFF_BASE = 2.0
_BACKOFF_TRIES = 6
_DATABASE_AWAY = db.OperationalError, db.InterfaceError  # a deadlock, too
# A request must not wait while the broker is unavailable: the dispatcher or a sweep finds the work again.
_ONE_MORE_TRY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}


class TaskWrapper(Protocol):
    """How a task waits for a permit without occupying a worker. The quota room supplies it (`set_task_wrapper`)."""

    def running(self, task: str, kwargs: Mapping[str, Any], headers: Mapping[str, Any]) -> AbstractContextManager[bool]:
        """Context around a running task. It yields False when the message is stale and the task must not run."""

    def park(self, task: str, kwargs: dict[str, Any], error: Retryable) -> bool:
        """Park the task until there is a permit. False when the error names no permit."""


class _PlainWrapper:
    """Default until a room calls `set_task_wrapper`: every task runs, and a retry is a Celery countdown."""

    def running(self, task: str, kwargs: Mapping[str, Any], headers: Mapping[str, Any]) -> AbstractContextManager[bool]:
        return nullcontext(enter_result=True)

    def park(self, task: str, kwargs: dict[str, Any], error: Retryable) -> bool:
        return False


_wrapper: TaskWrapper = _PlainWrapper()


def set_task_wrapper(wrapper: TaskWrapper) -> None:
    """Set how tasks of this process wait for a permit. Called once, from `AppConfig.ready`."""
    global _wrapper  # noqa: PLW0603 - core cannot import the room that stands above it
    _wrapper = wrapper


def threads_by_queue(threads: int, queues: Collection[str]) -> dict[str, int]:
    """How many threads of a worker process may work for each of its queues at a time.

    A process that serves the urgent queue and others keeps a quarter of its threads, and at least one, for the urgent
    queue. So jobs that hang cannot take all of them. A process with one thread has none to spare.
    """
    shared = URGENT in queues and len(queues) > 1 and threads > 1
    others = threads - max(1, threads // RESERVED) if shared else threads
    return {queue: threads if queue == URGENT else others for queue in queues}


def deliver(task: str, kwargs: dict[str, Any], *, headers: dict[str, Any] | None = None, queue: str = DEFAULT) -> None:
    """Send a message now, outside any transaction. Raises kombu's OperationalError, or OSError."""
    sent = {**_carried(), **(headers or {})}
    current_app.send_task(task, kwargs=kwargs, headers=sent, retry_policy=_ONE_MORE_TRY, queue=queue)


def enqueue(task: str, **kwargs: Any) -> None:
    """Send `task` (its registered name) to a worker once the surrounding transaction commits.

    `kwargs` are identifiers, JSON, never secrets. Work for later is a row with a due time (`core.dispatch`).
    """
    transaction.on_commit(functools.partial(_send, task, kwargs))


def _send(task: str, kwargs: dict[str, Any]) -> None:
    try:
        current_app.send_task(task, kwargs=kwargs, headers=_carried(), retry_policy=_ONE_MORE_TRY)
    except (OperationalError, OSError) as error:
        log.warning("job.not_sent", task=task, reason=type(error).__name__, hint="a periodic task sends it again")


def _carried() -> dict[str, str]:
    """What every message has in its headers: whose work it is."""
    return {**log_scope.carried(), **spans.carried()}


def backoff(attempt: int, *, base: float = _BACKOFF_BASE, cap: float = LONGEST_COUNTDOWN) -> float:
    """Full-jitter exponential backoff in seconds for the attempt number (0, 1, …)."""
    return random.uniform(0.1, min(cap, base * 2.0**attempt))  # noqa: S311 - spreads load, guards nothing


class BaseTask(Task):  # type: ignore[type-arg]
    """Base of all tasks: late acknowledgement, no results, and retries decided by the error tree alone."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    ignore_result = True
    max_retries = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        headers = self.request.headers or {}
        if self.request.called_directly:
            with log_scope.scope(task=self.name):
                return self._run(headers, *args, **kwargs)
        parents = [str(headers.get(spans.PARENT, ""))]
        with (
            log_scope.scope(task=self.name, **log_scope.of_message(headers)),
            spans.span(f"task {self.name}", "consumer", parents, request_id=headers.get("request_id")),
        ):
            return self._run(headers, *args, **kwargs)

    def _run(self, headers: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        try:
            with self._registered(), _wrapper.running(self.name, kwargs, headers) as wanted:
                return self._attempt(*args, **kwargs) if wanted else None
        except _DATABASE_AWAY as error:
            log.warning("job.database_away", task=self.name, reason=type(error).__name__)
            if self.request.called_directly:
                raise
            if not self.request.expires:  # beat sends an expiring message, such as a sweep, again anyway
                self._again(StoreUnavailable("the database is unavailable"))
        return None

    def _registered(self) -> AbstractContextManager[None]:
        """Show this process what the thread works on (`core.process.activity`)."""
        if self.request.called_directly:
            return nullcontext()
        return activity.task(self.name, (self.request.delivery_info or {}).get("routing_key") or DEFAULT)

    def _attempt(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Retryable as error:
            if not self._parked(error):
                self._again(error)
        except IntegrationError as error:
            spans.note(error=error.code)
            log.warning("job.failed", task=self.name, code=error.code, error=str(error), **error.context)
        except ObjectDoesNotExist as error:
            log.info("job.row_gone", task=self.name, row=str(error))
        return None

    def _parked(self, error: Retryable) -> bool:
        if not isinstance(error, QuotaExhausted | StoreUnavailable) or self.request.called_directly:
            return False
        try:
            return _wrapper.park(self.name, dict(self.request.kwargs or {}), error)
        except DatabaseError as failure:
            log.warning("job.not_parked", task=self.name, reason=type(failure).__name__)
            return False

    def _again(self, error: Retryable) -> None:
        attempt = self.request.retries or 0
        wait = backoff(attempt) if error.retry_after is None else error.retry_after
        spans.note(error=error.code)
        log.info("job.again", task=self.name, code=error.code, wait=round(wait, 3), attempt=attempt)
        if attempt < _BACKOFF_TRIES and wait <= LONGEST_COUNTDOWN:
            # Without the other headers: their ticket is valid for one delivery only.
            raise self.retry(countdown=wait, exc=error, headers=_carried())


def task(name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Decorator: `@task("sync.advance")` registers a function as the task of that name, on the thread pool's queue.

    Tasks take identifiers as keywords, tolerate unknown ones (`**_`: an older worker meets a newer message), and may be
    called directly.
    """
    return shared_task(name=name, base=BaseTask)
