"""Prometheus metrics, counted from the rows when somebody scrapes (`series`).

Counters in the process would be one process's share and forget at every restart; the rows are the truth of all
workers at once. A registry of our own, so that nothing a library registers globally is exposed by accident.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from integrations.console.metrics import series
from integrations.core import clock


class Rows(Collector):
    """All series, read in one scrape. Raises OperationalError when the database is away: the scrape fails."""

    def describe(self) -> list[Metric]:
        """Nothing: without this the registry would query the database when the process starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        for family in series.ALL:
            yield from family(now)


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(Rows())
    return registry


REGISTRY = _registry()


def render() -> bytes:
    """The exposition text of all metrics, now."""
    return generate_latest(REGISTRY)
