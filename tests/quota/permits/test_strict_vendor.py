"""Eight threads, one resource, a vendor that refuses early calls: it refuses none, and few slots lie idle."""

from __future__ import annotations

import threading
from typing import get_args

import pytest

from integrations.core import clock
from integrations.core.errors import QuotaExhausted
from integrations.highlevel.http import transport
from integrations.highlevel.http.transport import Request
from integrations.quota.permits import governor
from integrations.quota.permits.lanes import Lane
from integrations.sandbox.options import Window
from tests.plugin.vendor import Vendor, location_grant, make_app, run_vendor

pytestmark = pytest.mark.slow

LIMIT, INTERVAL, THREADS, SECONDS = 30, 1.0, 8, 4.0


def hammer(vendor: Vendor, request: Request, app: str, resource: str, until: float, statuses: list[int]) -> None:
    line = transport.shared(vendor.url)
    while clock.monotonic() < until:
        try:
            permit = governor.acquire(app, resource, lane=Lane.BULK, timeout=5.0, max_wait=0.5)
        except QuotaExhausted:
            continue
        answer = line.send(request)
        governor.settle(permit, received_at=answer.received_at, rate=answer.rate)
        statuses.append(answer.status)


@pytest.mark.parametrize("window", get_args(Window))
def test_nothing_is_refused(window: str, db: None, clean_redis: object) -> None:
    options = {"window": window, "limit": LIMIT, "interval_ms": int(INTERVAL * 1000), "latency_ms": (0.0, 40.0)}
    for vendor in run_vendor(**options):
        app = make_app(vendor)
        location = vendor.locations[0]
        token = location_grant(vendor, app, location).access_token
        request = Request("GET", f"/locations/{location}", version="2021-07-28", token=token)
        statuses: list[int] = []
        work = (vendor, request, app.client_id, location, clock.monotonic() + SECONDS, statuses)
        threads = [threading.Thread(target=hammer, args=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = vendor.state()["quota"][location]
        assert set(statuses) == {200}
        assert counted["rejected_429"] == 0
        assert counted["requests"] == len(statuses)
        # The first window goes to learning; a slot's cycle is the interval and the round trip.
        assert len(statuses) > 0.6 * LIMIT * SECONDS / INTERVAL
