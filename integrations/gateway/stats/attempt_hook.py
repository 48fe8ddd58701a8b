"""Hook around each HTTP attempt: measures its duration, outcome and cost. The gateway's only hook.

`client` wraps every attempt in it. The hook counts the attempt (`usage_counter`), keeps it when it failed or was slow
(`kept_calls`), and reports it to an observer such as the call explorer. It adds a few microseconds and never raises.
Only a watcher may stop an attempt, before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import structlog

from integrations.core import clock
from integrations.core.errors import IntegrationError, QuotaExhausted
from integrations.core.runs import current_run
from integrations.gateway.stats import kept_calls, usage_counter
from integrations.gateway.stats.usage_counter import CallKey
from integrations.highlevel.catalogue import PreparedRequest
from integrations.highlevel.http.transport import Response
from integrations.quota import usage as quota
from integrations.quota.permits.lanes import Lane
from integrations.tokens.models import CredentialKey

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObservedAttempt:
    """One attempt as an observer sees it. `took` is in seconds, None when nothing was sent."""

    request: PreparedRequest
    response: Response | None
    took: float | None
    spent: bool


def flush_if_due() -> None:
    """Write what was counted of calls and permits if the last write was a few seconds ago."""
    usage_counter.flush_if_due()
    quota.counter.flush_if_due()


_observer: ContextVar[list[ObservedAttempt] | None] = ContextVar("gateway_observer", default=None)


@contextmanager
def observed() -> Iterator[list[ObservedAttempt]]:
    """Context manager that gives a list of the attempts made inside the block, in order."""
    seen: list[ObservedAttempt] = []
    token = _observer.set(seen)
    try:
        yield seen
    finally:
        _observer.reset(token)


class AttemptWatcher(Protocol):
    """Follows the attempts of one call."""

    def sending(self) -> None:
        """Called right before the request leaves. What it raises stops the attempt, and its permit is given back."""

    def ended(self, error: BaseException | None) -> None:
        """Called when an attempt that `sending` let go is over."""


_watcher: ContextVar[AttemptWatcher | None] = ContextVar("gateway_watcher", default=None)


@contextmanager
def watched(watcher: AttemptWatcher) -> Iterator[None]:
    """Context manager that tells the watcher of the attempts made inside the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


class Attempt:
    """Context manager of one attempt. The caller calls `sending()` before the request and sets `response` after it."""

    __slots__ = ("_key", "_lane", "_request", "_sent_at", "response")

    def __init__(self, key: CredentialKey, request: PreparedRequest, lane: Lane) -> None:
        self.response: Response | None = None
        self._key, self._request, self._lane = key, request, lane
        self._sent_at: float | None = None

    def sending(self) -> None:
        """Record the moment at which the request is sent. Raises what the watcher raises."""
        if (watcher := _watcher.get()) is not None:
            watcher.sending()
        self._sent_at = clock.monotonic()

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (watcher := _watcher.get()) is not None and self._sent_at is not None:
            watcher.ended(error)
        try:
            self._ended(error)
        except Exception:
            log.exception("attempt_hook.failed", operation=self._request.operation)

    def _ended(self, error: BaseException | None) -> None:
        never_left = self._sent_at is None or (isinstance(error, IntegrationError) and error.never_sent)
        took = None if never_left else self._took()
        key, request = self._key, self._request
        call = CallKey(key.app.pk, key.tenant.id, request.operation, quota.spender(), self._lane.value)
        usage_counter.count(call, code=kept_calls.code_of(error), took=took, spent=not never_left)
        if (error is not None and not _is_wait_for_permit(error, took)) or (
            took is not None and took > kept_calls.SLOW
        ):
            columns = {"app": key.app, "resource_id": call.resource_id, "operation": call.operation}
            columns |= {"job": call.job, "lane": call.lane, "run": current_run.name()}
            kept_calls.keep(request, error=error, response=self.response, took=took or 0.0, columns=columns)
        observer = _observer.get()
        if observer is not None:
            observer.append(ObservedAttempt(request, self.response, took, not never_left))
        flush_if_due()

    def _took(self) -> float:
        if self.response is not None:
            return self.response.elapsed
        return clock.monotonic() - (self._sent_at or 0.0)


def _is_wait_for_permit(error: BaseException, took: float | None) -> bool:
    """Whether the attempt only found no free permit. The quota works that way, so this is not a failed call."""
    return isinstance(error, QuotaExhausted) and took is None
