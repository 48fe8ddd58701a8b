"""PostgreSQL and Valkey are really stopped during a refresh and started again. Nothing is lost, without an operator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from integrations.core import clock
from integrations.core.errors import ServerFault, StoreUnavailable, Unreachable
from integrations.tokens import tasks
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.tokens.rows import expire, let_pass


def outages(directory: Path) -> dict[str, Any]:
    """What `refresh.outage` found, by the name of its story. One process: its servers take seconds to migrate."""
    command = [sys.executable, "-m", "tests.tokens.refresh.outage", str(directory)]
    environ = {name: text for name, text in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_server_stops_and_comes_back(tmp_path: Path) -> None:
    def expected(raised: str, spooled: int, generations: int) -> dict[str, Any]:
        whole = {"left": 0, "state": "active", "again": "done"}
        return whole | {"raised": raised, "spooled": spooled, "generations": generations}

    assert outages(tmp_path) == {
        "database_lost_after_the_answer": expected("StoreUnavailable", 1, 1),
        "database_lost_before_the_call": expected("StoreUnavailable", 0, 0),
        "both_lost_after_the_answer": expected("StoreUnavailable", 1, 1),
        "redis_lost_in_between": expected("done", 0, 1),
    }


@pytest.mark.parametrize(
    ("fault", "times", "params", "error"),
    [
        ("status", 3, {"status": 500}, ServerFault),
        ("latency", 3, {"ms": 900}, Unreachable),
        ("garbage", 1, {}, Unreachable),  # it rotates, and answers the same token twice
        ("truncated", 1, {}, Unreachable),
        ("lost", 1, {}, Unreachable),
        ("close", 3, {}, Unreachable),
    ],
)
def test_the_vendor_fails_and_recovers(location, vendor, monkeypatch, fault, times, params, error) -> None:
    monkeypatch.setattr(lease, "DEADLINE_SECONDS", 0.3)
    vendor.fault("/oauth/token", fault, times=times, **params)
    for failures in range(1, times + 1):
        with pytest.raises(error):
            refresh(location.pk)
        let_pass(location)
        assert (location.state, location.failures) == (Credential.State.ACTIVE, failures)
    repaired(location)
    location.refresh_from_db()
    assert location.failures == 0


def test_when_it_is_tried_again_is_the_rows_business_and_not_the_messages(location, vendor) -> None:
    expire(location)
    vendor.fault("/oauth/token", "status", times=None, status=503)
    tasks.refresh_one(credential_id=location.pk)  # an error would be a message sent again
    let_pass(location)
    tasks.repair_one(credential_id=location.pk)
    assert Credential.objects.get(pk=location.pk).failures == 2


def test_a_message_waits_for_our_own_database(location, monkeypatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr(lease, "claim", away)
    with pytest.raises(StoreUnavailable):
        tasks.refresh_one(credential_id=location.pk)


def repaired(row: Credential) -> None:
    """By the sweep's own messages."""
    for pk in lease.orphans():
        tasks.repair_one(credential_id=pk)
    for pk in tasks.claim_due(100, clock.now()):
        tasks.refresh_one(credential_id=pk)
