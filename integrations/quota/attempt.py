"""One permitted HTTP attempt: takes a permit, bounds the moment of sending, and reports the outcome to the quota.

Every request to the vendor that costs quota is sent inside `permitted`: API calls, minting, and the test of an entered
token. It costs one request to Redis; the report travels with the next one (`reports.py`). What the permit becomes:

- the request never left (nothing was sent, or the error says so): the slot is free again at once, no call is counted;
- an answer arrived: settled with its moment and its rate headers;
- the answer was lost: settled as one that may still be counted (`governor.settle`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core import clock
from integrations.core.errors import IntegrationError, QuotaExhausted, Unreachable
from integrations.core.observing import spans
from integrations.quota import usage
from integrations.quota.permits import governor, tickets
from integrations.quota.permits.governor import Rate
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit


class PermittedAttempt:
    """The attempt inside `permitted`: call `sending` right before the request, and `answered` with its response."""

    __slots__ = ("_lane", "_permit", "_sending", "_settled")

    def __init__(self, permit: Permit, lane: Lane) -> None:
        self._permit, self._lane = permit, lane
        self._sending = self._settled = False

    def sending(self) -> None:
        """Call this right before the request. Raises Unreachable (not sent) when another call may have the slot."""
        if clock.monotonic() > self._permit.send_before:
            raise Unreachable(
                "the permit expired before the request was sent, because this process was suspended",
                sent=False,
                retry_after=0.0,
            )
        self._sending = True

    def answered(self, *, received_at: float | None, rate: Rate | None, refused: bool = False) -> None:
        """Report an answer that arrived at `received_at` on the monotonic clock; `refused` says that it was a 429."""
        self._settled = True
        governor.settle(self._permit, received_at=received_at, rate=rate, refused=refused)
        usage.count(self._permit.key, self._lane)

    def failed(self, error: Exception) -> None:
        """Handle an attempt without answer: return the permit or settle it, as the type of `error` says."""
        if self._settled:
            return
        if not self._sending or _never_left(error):
            governor.release(self._permit)
        elif isinstance(error, IntegrationError) and not isinstance(error, Unreachable):
            # A typed refusal is an answer, which has just been read.
            self.answered(received_at=clock.monotonic(), rate=None, refused=isinstance(error, QuotaExhausted))
        else:
            self.answered(received_at=None, rate=None)


@contextmanager
def permitted(
    app: str, resource: str, *, lane: Lane, timeout: float, max_wait: float | None = None
) -> Iterator[PermittedAttempt]:
    """A permit for one HTTP attempt of at most `timeout` seconds to the resource (app client id, resource id).

    `max_wait` is the longest wait for the permit in seconds, the lane's horizon unless given. Raises QuotaExhausted and
    StoreUnavailable when there is no permit.
    """
    with spans.span("wait for a permit", resource=resource, lane=lane.value):
        permit = tickets.acquire(app, resource, lane=lane, timeout=timeout, max_wait=max_wait)
    attempt = PermittedAttempt(permit, lane)
    try:
        yield attempt
    except Exception as error:
        attempt.failed(error)
        raise


def _never_left(error: Exception) -> bool:
    return isinstance(error, IntegrationError) and error.never_sent
