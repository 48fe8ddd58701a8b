"""A parked task's call through the gateway: its ticket is the permit, and a vendor's 429 says who waits for what."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import QuotaExhausted
from integrations.gateway import client
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota import usage
from integrations.quota.models import Usage
from integrations.quota.parking import queue
from integrations.quota.parking.task_wrapper import ParkingWrapper
from integrations.quota.permits import governor
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store
from tests.plugin.vendor import Vendor, app, location_grant, vendor
from tests.quota.parked import leading, message

__all__ = ["app", "vendor"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def location(vendor: Vendor, app: App, monkeypatch: pytest.MonkeyPatch) -> str:
    location_id = vendor.locations[0]
    store.save_grant(store.location(app, location_id), location_grant(vendor, app, location_id), now=clock.now())
    return location_id


def get(app: App, location: str) -> Any:
    return client.call("locations.get-location", app=app, location=location, lane=Lane.BULK).json


def test_the_first_call_uses_the_ticket_and_the_bill_names_the_job(vendor: Vendor, app: App, location: str) -> None:
    permit = governor.acquire(app.client_id, location, lane=Lane.BULK, timeout=5.0)
    rate = RateSnapshot(max=2, remaining=1, interval_ms=60_000)
    governor.settle(permit, received_at=clock.monotonic(), rate=rate)
    with leading() as leader:
        queue.enqueue("tests.get", app=app.client_id, resource=location, number=1)
        leader.hand_out.agenda.ask(f"{app.client_id}:{location}", clock.monotonic())
        leader.until_all(1)
        with ParkingWrapper().running(*message(leader.sent[0])):
            assert get(app, location)["location"]["id"] == location
            with pytest.raises(QuotaExhausted, match="the bulk lane has to wait with calls to"):
                get(app, location)
    usage.counter.flush()
    assert list(Usage.objects.values_list("job", "lane", "calls")) == [("tests.get", "bulk", 1)]


def test_a_429_of_the_vendor_can_be_parked(vendor: Vendor, app: App, location: str) -> None:
    vendor.fault(f"/locations/{location}", "quota")
    with pytest.raises(QuotaExhausted) as caught:
        get(app, location)
    assert queue.park("tests.get", {"number": 1}, caught.value)
