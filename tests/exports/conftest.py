"""Records of two locations, and an export of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.exports import asking, export_files, runs
from integrations.exports.asking import ExportRequest
from integrations.exports.models import Export, Run
from integrations.sync import records
from integrations.sync.models import Plan
from integrations.tenants.models import App, Installation
from tests.sync.conftest import LOCATION
from tests.sync.conftest import app as app
from tests.sync.conftest import installation as installation
from tests.sync.conftest import plan as plan

OTHER = "another9Location2Xy"
Make = Callable[..., Export]


@pytest.fixture
def filled(app: App, installation: Installation, plan: Plan) -> App:
    """Three contacts, one of them at another location, and two opportunities."""
    now = clock.now()
    for location, resource in ((OTHER, "contacts"), (LOCATION, "opportunities")):
        Plan.objects.create(app=app, location_id=location, resource=resource, created_at=now)
    merge(app, "contacts", "ann", "bob")
    merge(app, "contacts", "eve", location=OTHER)
    merge(app, "opportunities", "deal1", "deal2")
    return app


@pytest.fixture
def make(filled: App) -> Make:
    def make(**fields: Any) -> Export:
        request = ExportRequest(**{"app": filled, "resources": ["contacts"], "form": "jsonl", **fields})
        return asking.ask(request, clock.now(), actor="operator ann")

    return make


def merge(app: App, resource: str, *ids: str, location: str = LOCATION, **fields: Any) -> None:
    records.merge(app.pk, location, resource, [{"id": one, "name": f"Name of {one}", **fields} for one in ids])


def work(export: Export, *, turns: int = 20) -> Run:
    """Start the export's next run and take its turns, as the dispatcher's messages make workers do it."""
    Export.objects.filter(pk=export.pk).update(due_at=clock.now())
    runs.start_due(clock.now())
    run = Run.objects.filter(export=export).latest("pk")
    for _ in range(turns):
        if run.status != Run.Status.RUNNING:
            break
        Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        runs.advance(run.pk)
        run.refresh_from_db()
    return run


def content(run: Run, resource: str = "contacts") -> bytes:
    return b"".join(export_files.read(export_files.available(run, clock.now()).filter(resource=resource)))
