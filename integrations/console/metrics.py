"""Prometheus metrics, counted from the rows when somebody scrapes.

Counters in the process would be one process's share and forget at every restart; the rows are the truth of all
workers at once. A registry of our own, so that nothing a library registers globally is exposed by accident. When the
quota store is away the other figures still come, and `hlapp_quota_store_up` is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from integrations.console import queries
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.quota import queries as quota
from integrations.tenants.models import App, UserType
from integrations.webhooks import queries as webhooks

BUSIEST = 20


class Rows(Collector):
    """Everything below, read in one scrape. Raises OperationalError when the database is away: the scrape fails."""

    def describe(self) -> list[Metric]:
        """Nothing: without this the registry would query the database when the process starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from _tenants()
        yield from _inbox()
        yield from _sync()
        yield from _quota()


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


def _tenants() -> Iterator[Metric]:
    installed = GaugeMetricFamily(
        "hlapp_installations", "Installations by status.", labels=["app", "user_type", "status"]
    )
    for row in queries.installations():
        installed.add_metric([row["app_name"], row["user_type"], row["status"]], row["found"])
    yield installed
    held = GaugeMetricFamily("hlapp_credentials", "Credentials by state.", labels=["app", "user_type", "state"])
    for row in queries.credentials():
        held.add_metric([row["app_name"], row["user_type"], row["state"]], row["found"])
    yield held
    halted = App.objects.filter(halted_at__isnull=False).count()
    yield GaugeMetricFamily("hlapp_apps_halted", "Apps whose own client secret was refused.", halted)


def _inbox() -> Iterator[Metric]:
    inbox = webhooks.inbox(clock.now())
    events = GaugeMetricFamily("hlapp_events", "Webhook events by status.", labels=["status"])
    events.add_metric(["pending"], inbox.pending)
    events.add_metric(["poisoned"], inbox.poisoned)
    yield events
    yield GaugeMetricFamily("hlapp_mailboxes_behind", "Mailboxes with events that are due.", inbox.behind)
    age = (clock.now() - inbox.oldest_pending).total_seconds() if inbox.oldest_pending else 0
    yield GaugeMetricFamily("hlapp_events_oldest_pending_seconds", "How long the oldest pending event waits.", age)


def _sync() -> Iterator[Metric]:
    runs = GaugeMetricFamily("hlapp_sync_runs", "Sync runs by status.", labels=["resource", "status"])
    for row in queries.runs():
        runs.add_metric([row["resource"], row["status"]], row["found"])
    yield runs
    count, _exact = queries.records()
    yield GaugeMetricFamily("hlapp_records", "Records kept (the planner's estimate beyond a million).", count)


def _quota() -> Iterator[Metric]:
    labels = ["app", "user_type", "resource"]
    free = GaugeMetricFamily("hlapp_quota_burst_free", "Calls free now in the burst window.", labels=labels)
    day = GaugeMetricFamily("hlapp_quota_day_remaining", "Calls left of the day's budget.", labels=labels)
    up = 1
    try:
        for app, kind, resource_id in queries.busiest(BUSIEST):
            _add_quota(free, day, app, kind, resource_id)
    except StoreUnavailable:
        up = 0
    yield GaugeMetricFamily("hlapp_quota_store_up", "Whether the quota store answers.", up)
    yield free
    yield day


def _add_quota(free: GaugeMetricFamily, day: GaugeMetricFamily, app: App, kind: UserType, resource_id: str) -> None:
    snapshot = quota.snapshot(app.client_id, resource_id)
    names = [app.client_id, kind.value, resource_id]
    free.add_metric(names, snapshot.free)
    if snapshot.day_remaining is not None:
        day.add_metric(names, snapshot.day_remaining)
