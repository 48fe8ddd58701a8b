"""How soon a process that went through an outage finds the database again."""

from __future__ import annotations

from django.conf import settings
from psycopg_pool.base import AttemptWithBackoff


def test_no_pause_between_two_tries_is_longer_than_a_caller_waits() -> None:
    """The library's own arithmetic: with its default the pauses double up to minutes, and nobody may try meanwhile."""
    options = settings.DATABASES["default"]["OPTIONS"]["pool"]
    attempt, now, pauses = AttemptWithBackoff(timeout=options.get("reconnect_timeout", 300.0)), 0.0, [0.0]
    while not attempt.time_to_give_up(now):
        attempt.update_delay(now)
        now += attempt.delay
        pauses.append(attempt.delay)

    assert max(pauses) <= options["timeout"]
