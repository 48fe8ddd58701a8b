"""Messages between the broker and the threads of this worker process: what is being fetched, or waits for a thread.

kombu asks Redis for the next message (BRPOP) and reads the answer up to a second later. When a channel's limit is
reached in between, kombu leaves the answer unread until there is room again. But Redis has removed the message from the
queue by then: a process that ends has lost it, and no visibility timeout brings it back. So here a fetch that is under
way always comes to its end, and a process ends only after that (`is_under_way`, `finish`). Fetched messages that no
thread has begun go back to the queue (`give_back`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any

from celery.worker import state

_channels: list[Any] = []  # of the present connection to the broker


def forget() -> None:
    """The connection to the broker is a new one: its channels have to be admitted again."""
    _channels.clear()


def admit(channel: Any, condition: Callable[[], bool]) -> None:
    """Begin to fetch from the channel only while the condition holds and its limit is not reached.

    Only kombu's own transports (Redis) ask before each fetch; another broker delivers up to the limit.
    """
    limits = getattr(channel, "qos", None)
    if limits is None or not hasattr(limits, "can_consume"):
        return
    _channels.append(channel)
    below_limit = limits.can_consume
    limits.can_consume = lambda: _is_polling(channel) or (condition() and below_limit())


def is_under_way() -> bool:
    """Whether the broker may be sending a message to this process."""
    return any(_is_polling(channel) for channel in _channels)


def finish() -> None:
    """Read the answers of the fetches under way, each within a second. Call it when the event loop reads no more.

    Cancel the consumers first: kombu puts a message back that comes to none. Raises the broker's errors.
    """
    for channel in _channels:
        if _is_polling(channel):
            with suppress(Empty):
                channel.handlers["BRPOP"]()


def give_back() -> int:
    """Put messages back that were fetched and that no thread has begun; how many. Another process gets them at once.

    They wait for a thread, or for the time of a retry.
    """
    retried = getattr(state, "scheduled_requests", ())  # not in the stubs
    waiting = {*state.reserved_requests, *retried} - {*state.active_requests}
    for request in waiting:
        request.reject(requeue=True)
    return len(waiting)


def _is_polling(channel: Any) -> bool:
    return bool(getattr(channel, "_in_poll", False))
