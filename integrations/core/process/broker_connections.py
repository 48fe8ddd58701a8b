"""Counts this worker's connections to the broker. A new one may mean that a restart cost the broker its messages.

Celery connects anew by itself and reports nothing. The worker's bootstep counts, and the dispatcher sends again what no
worker has begun.
"""

from __future__ import annotations

_made = 0


def note() -> None:
    """The worker fetches through a new connection from now on."""
    global _made  # noqa: PLW0603 - the worker of this process has one consumer
    _made += 1


def count() -> int:
    """How many connections the worker of this process has fetched through so far."""
    return _made
