"""An app on an installed location, and the short cuts of the sync's tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.tenant import Tenant, UserType
from integrations.sync import plans, runs
from integrations.sync.models import Plan, Record, Run
from integrations.sync.signed import plan_macs
from integrations.tenants.models import App, Installation, Location
from integrations.tokens import store
from tests.plugin.vendor import Vendor, location_grant
from tests.sync.listing import Listing

MOST_TURNS = 15
LOCATION = "ve9EPM428h8vShlRW1KT"
HERE = Tenant.location(LOCATION)


@pytest.fixture
def app(db: None) -> App:
    return App.objects.create(
        name="Test app",
        client_id="66a0419a0dffa47fb5f8b22e-sync",
        highlevel_id="66a0419a0dffa47fb5f8b22e",
        scopes="contacts.readonly",
        api_url="http://127.0.0.1:1",
        marketplace_url="http://127.0.0.1:1",
        client_secret_sealed=b"sealed",
        created_at=clock.now(),
    )


@pytest.fixture
def installation(app: App) -> Installation:
    location = Location.objects.create(id=LOCATION, created_at=clock.now())
    return Installation.objects.create(
        app=app,
        user_type=UserType.LOCATION,
        resource_id=LOCATION,
        location=location,
        status=Installation.Status.INSTALLED,
        origin=Installation.Origin.APP,
        status_at=clock.now(),
        created_at=clock.now(),
    )


@pytest.fixture
def plan(app: App, installation: Installation) -> Plan:
    """The contacts' plan, at rest: nothing was synced, nothing is due."""
    return Plan.objects.create(app=app, location_id=LOCATION, resource="contacts", created_at=clock.now())


def connect(vendor: Vendor, app: App) -> str:
    """The vendor's first location, installed and with a token."""
    location_id, now = vendor.locations[0], clock.now()
    store.save_grant(store.location(app, location_id), location_grant(vendor, app, location_id), now=now)
    Installation.objects.create(
        app=app,
        user_type=UserType.LOCATION,
        resource_id=location_id,
        status=Installation.Status.INSTALLED,
        origin=Installation.Origin.APP,
        status_at=now,
        created_at=now,
    )
    return location_id


def start(plan: Plan, **fields: Any) -> Run:
    """A new run of the plan, due now."""
    plan_macs.write(Plan.objects.filter(pk=plan.pk), due_at=clock.now(), **fields)
    plans.start_due(clock.now())
    return Run.objects.filter(plan=plan).latest("pk")


def run_once(plan: Plan, listing: Listing, **fields: Any) -> Run:
    """A new run after its first turn, which ends it unless an answer is doubted."""
    return turn(start(plan, **fields), listing)


def to_the_end(run: Run, listing: Listing) -> Run:
    """The run after as many turns as it takes; the waits between them are skipped."""
    for _ in range(MOST_TURNS):
        if run.status != Run.Status.RUNNING:
            break
        wake(run)
        turn(run, listing)
    return run


def turn(run: Run, listing: Listing) -> Run:
    """One turn of the run, as the dispatcher's message makes a worker do it."""
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    return run


def wake(run: Run) -> None:
    """Let a run that waits be due now, as time would."""
    Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))


def alive(**fields: Any) -> set[str]:
    return set(Record.objects.filter(deleted_at=None, **fields).values_list("record_id", flat=True))
