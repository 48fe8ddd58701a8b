"""What pages say of a run that is under way: its rate, the time left, and what it waits for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.core.runs import run_progress
from integrations.core.runs.querysets import PARKED, QUEUED
from integrations.sync.models import Run

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AT_WORK = {"lease_owner": "host:1:a:b", "lease_until": NOW + MINUTE / 2}


def run(**fields: Any) -> Run:
    return Run(**({"status": "running", "due_at": NOW - MINUTE, "started_at": NOW - MINUTE} | fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (AT_WORK, ""),
        ({"lease_owner": QUEUED, "lease_until": NOW + timedelta(seconds=20)}, "waits for a worker"),
        ({"lease_owner": QUEUED, "lease_until": NOW + PARKED}, "waits for quota"),
        ({}, "waits for a worker"),
        ({"lease_owner": "host:1:a:b", "lease_until": NOW - MINUTE}, "waits for a worker"),
        ({"due_at": NOW + MINUTE, "error_code": "server_fault"}, "waits for HighLevel, goes on in 60 s"),
        (
            {"due_at": NOW + MINUTE, "error_code": "store_unavailable"},
            "waits for the quota store or the database, goes on in 60 s",
        ),
        ({"due_at": NOW + MINUTE}, "waits for its next turn, goes on in 60 s"),
    ],
)
def test_a_run_says_what_it_waits_for(fields: dict[str, Any], words: str) -> None:
    assert run_progress.waits_for(run(**fields), NOW) == words


@pytest.mark.parametrize(
    ("done", "total", "took", "words"),
    [
        (600, 6_000, 60, "10 a second, about 9 min left"),
        (6, 12, 60, "6.0 a minute, about 60 s left"),
        (600, None, 60, "10 a second"),
        (600, 600, 60, "10 a second"),
        (600, 6_000, 2, ""),
        (0, 6_000, 60, ""),
    ],
)
def test_the_rate_is_the_mean_and_the_time_left_follows(done: int, total: int | None, took: int, words: str) -> None:
    assert run_progress.rate(done, total, timedelta(seconds=took)) == words


def test_both_are_said_and_an_ended_run_says_neither() -> None:
    waiting = run(lease_owner=QUEUED, lease_until=NOW + PARKED)
    assert run_progress.words(waiting, 60, 120, NOW) == "1 a second, about 60 s left; waits for quota"
    assert run_progress.words(run(**AT_WORK), 60, 120, NOW) == "1 a second, about 60 s left"
    assert run_progress.words(run(status="complete"), 60, 120, NOW) == ""
