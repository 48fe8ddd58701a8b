"""Without the store there are no permits, for no lane. Callers get an error in time, and pages say why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.console.doctor import diagnostics, health
from integrations.console.doctor.findings import Level
from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import scripts, tickets
from integrations.quota.permits.lanes import Lane
from tests.quota.parked import APP, RESOURCE, opened

pytestmark = pytest.mark.usefixtures("clean_redis")


@pytest.mark.parametrize("lane", Lane)
def test_every_lane_is_refused_with_when_to_come_back_and_for_what(
    lane: Lane, store_unavailable: Callable[[], None]
) -> None:
    opened()
    store_unavailable()
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as refused:
            tickets.acquire(APP, RESOURCE, lane=lane, timeout=5.0)
        assert refused.value.code == "store_unavailable"
        assert refused.value.retry_after == 5.0
        said = {"app": APP, "resource": RESOURCE, "lane": lane.value, "reason": "store"}
        assert refused.value.context == said


def test_so_is_who_wants_to_start_afresh(store_unavailable: Callable[[], None]) -> None:
    store_unavailable()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        scripts.clear()


def test_readiness_and_doctor_say_so(store_unavailable: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBES", {"redis": health.redis})
    (well,) = diagnostics.services()
    store_unavailable()
    (away,) = diagnostics.services()
    assert (well.level, away.level) == (Level.OK, Level.FAILED)
    assert away.found.startswith("the quota store does not answer")
    assert "REDIS_URL" in away.fix
