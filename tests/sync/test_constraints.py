"""States of a run that exclude each other: the database refuses them, and a migration puts older rows right."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from integrations.core import clock
from integrations.sync.models import Plan, Run

pytestmark = pytest.mark.django_db
CONSTRAINTS = ("sync_run_finished_or_running", "sync_run_lease_complete")


def make(plan: Plan, **fields: Any) -> Run:
    now = clock.now()
    return Run.objects.create(plan=plan, kind="full", due_at=now, started_at=now, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "complete"},
        {"finished_at": "2026-11-01T00:00:00Z"},
        {"lease_owner": "a worker"},
        {"lease_until": "2026-11-01T00:00:00Z"},
    ],
)
def test_half_a_state_is_refused(plan: Plan, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make(plan, **fields)


def test_older_rows_are_put_right(plan: Plan) -> None:
    with connection.cursor() as cursor:
        for name in CONSTRAINTS:
            cursor.execute(f"ALTER TABLE sync_run DROP CONSTRAINT {name}")
        now = clock.now()
        endless, halves = make(plan, status="failed"), make(plan, finished_at=now, lease_owner="a worker")
        ownerless = make(plan, status="complete", finished_at=now, lease_until=now)
        untouched = make(plan, status="complete", finished_at=now)
        cursor.execute(importlib.import_module("integrations.sync.migrations.0004_run_states").NORMALISE)
    for run in (endless, halves, ownerless, untouched):
        run.refresh_from_db()
    assert endless.finished_at == endless.started_at
    assert (halves.finished_at, halves.lease_owner, halves.lease_until) == (None, "", None)
    assert (ownerless.lease_owner, ownerless.lease_until, ownerless.finished_at) == ("", None, now)
    assert untouched.finished_at == now
