"""Flags of a worker process that is about to end: its turns hand their runs back, and it takes no more work.

A process that gets SIGTERM sets both at once. One that replaces itself goes on with urgent tasks until its turns have
ended: they may be the only worker of that queue.
"""

from __future__ import annotations

import threading

_turns, _all = threading.Event(), threading.Event()


def request(*, urgent_too: bool) -> None:
    """Ask the turns of this process to hand their runs back; with `urgent_too`, take no urgent tasks either."""
    _turns.set()
    if urgent_too:
        _all.set()


def is_requested() -> bool:
    """Whether a turn should hand its run back at the next safe point."""
    return _turns.is_set()


def takes_urgent() -> bool:
    """Whether this process still takes urgent tasks."""
    return not _all.is_set()
