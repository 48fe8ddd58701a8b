"""An API 1.0 key syncs every listing that API 1.0 has, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.installs.entered import connection
from integrations.sync import plans
from integrations.sync.models import Plan, Record
from integrations.sync.resources.in_api1 import API_1
from integrations.tenants.models import App
from integrations.tokens import store
from tests.plugin.vendor import Vendor, make_app, run_vendor
from tests.sync.resources.test_sandbox import run_all

pytestmark = pytest.mark.django_db
NAMED = {"campaigns": "campaigns 1", "workflows": "workflows 1", "forms": "forms 1", "surveys": "surveys 1"}


@pytest.fixture
def vendor() -> Any:
    yield from run_vendor(contacts=30, locations=1, seed=15_001)


@pytest.fixture
def app(vendor: Vendor, settings: Any, db: None, clean_redis: Any) -> App:
    settings.HIGHLEVEL_API_1_URL = f"{vendor.url}/v1"
    settings.HIGHLEVEL_ALLOWED_HOSTS = ["127.0.0.1"]
    return make_app(vendor)


@pytest.fixture
def connected(app: App, vendor: Vendor) -> str:
    """A location that is connected by its key alone."""
    location = vendor.locations[0]
    key = vendor.post("/sandbox/tokens", {"kind": "key", "account": location})["token"]
    connection.connect(store.location(app, location), key, kind="key", actor="operator op")
    return location


def test_a_key_syncs_all_that_api_1_lists(app: App, vendor: Vendor, connected: str) -> None:
    now = clock.now()
    Plan.objects.all().delete()
    for name in API_1:
        Plan.objects.create(app=app, location_id=connected, resource=name, created_at=now, due_at=now)
    plans.start_due(now)
    done = run_all()
    assert {name: (run.status, run.error) for name, run in done.items()} == dict.fromkeys(API_1, ("complete", ""))
    found = {name: Record.objects.filter(location_id=connected, resource=name).count() for name in API_1}
    assert found == {name: run.seen for name, run in done.items()}
    assert all(found.values()), found
    for name, row in NAMED.items():
        assert Record.objects.filter(resource=name, payload__name=row).exists()
    assert (
        Record.objects.filter(resource="custom_fields", payload__has_key="fieldKey").count() == found["custom_fields"]
    )
