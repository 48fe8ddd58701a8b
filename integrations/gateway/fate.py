"""What became of a write: whether it was sent, and whether a failure proves that the vendor did not act.

`watched` lets its caller commit an intent at the last moment before the request leaves, when the token and the permit
are there. So a worker that is killed while it waits for a permit leaves no write of unknown fate behind.
"""

from __future__ import annotations

from http import HTTPStatus

from integrations.core.errors import IntegrationError

_REFUSALS = frozenset(range(400, 500)) - {HTTPStatus.REQUEST_TIMEOUT} | {HTTPStatus.NOT_IMPLEMENTED}


def proves_no_effect(error: BaseException) -> bool:
    """Whether this failure of an attempt that was sent proves that it had no effect.

    It does if the request never left, and if the vendor refused it (4xx, 501). A time-out, a broken connection, a 5xx,
    a 408 of some proxy and an answer that cannot be read prove nothing. Nor does an error of ours after the answer.
    """
    return isinstance(error, IntegrationError) and (error.never_sent or error.vendor.status in _REFUSALS)


class WriteWatcher:
    """Follows the attempts of one write (`stats.attempt_hook.watched`). A subclass commits its intent in `sending`."""

    is_unknown = False  # whether the last attempt was sent and may have had an effect that no answer tells of

    def sending(self) -> None:
        """Called before each attempt of the write leaves. What it raises stops the attempt."""

    def ended(self, error: BaseException | None) -> None:
        """Called after each attempt that `sending` let go."""
        self.is_unknown = error is not None and not proves_no_effect(error)
