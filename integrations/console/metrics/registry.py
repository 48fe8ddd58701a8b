"""Prometheus registry: metrics are computed from database rows at every scrape (`series`).

Counters in memory would count one process only and start at zero after every restart. The rows cover all processes.
The registry is our own, so that a metric which a library registers globally is not exposed by accident.
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
    """All series, read at a scrape. Raises OperationalError without a database: the scrape fails."""

    def describe(self) -> list[Metric]:
        """Nothing: otherwise the registry would call `collect`, and query the database, when the process starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric family, as of now."""
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
    """All metrics in Prometheus text format."""
    return generate_latest(REGISTRY)
