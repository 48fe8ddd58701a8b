"""A location connected to the sandbox vendor, calls made to it, and counters that wait."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.core import clock
from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.gateway.stats import kept_calls, usage_counter
from integrations.tenants.models import App
from integrations.tokens import store
from tests.plugin.vendor import Vendor, app, location_grant, run_vendor

__all__ = ["app"]

GET_LOCATION = "locations.get-location"
Call = Callable[..., Result]
# Other ids each time: a location without state in Redis (`clean_redis`) gets no permit for one window.
_seeds = itertools.count(9_000)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(locations=1, seed=next(_seeds))


@pytest.fixture(autouse=True)
def nothing_is_written_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is written only when a test says so."""
    for counter in (usage_counter.counter, kept_calls.waiting):
        monkeypatch.setattr(counter, "pause", 1e9)


@pytest.fixture
def location(vendor: Vendor, app: App) -> str:
    location_id = vendor.locations[0]
    store.save_grant(store.location(app, location_id), location_grant(vendor, app, location_id), now=clock.now())
    return location_id


@pytest.fixture
def call(app: App, location: str) -> Call:
    def call(operation: str = GET_LOCATION, **how: Any) -> Result:
        return client.call(operation, **{"app": app, "location": location} | how)

    return call
