"""The measured time of full listings, by resource: from the request of the first page to the last record in the copy.

With the interval of the plan it bounds the age of what no webhook brings. It is read from complete full runs; those
that wait for a permit or for their turn take as much longer, which is meant. Runs that visit single records are not
among them: they spread over days. The latest runs are found by an index, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from integrations.sync.lag.measured_lag import MeasuredLag
from integrations.sync.resources import RESOURCES

LATEST = 20_000  # runs of all plans, among which the full ones are found
LATEST_OF_PLAN = 500
WITHIN = timedelta(days=2)  # most resources have a full run a day
_LAGS = """
SELECT resource, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds)
FROM (
    SELECT plan.resource, extract(epoch FROM run.finished_at - run.started_at) AS seconds
    FROM {latest} AND run.status = 'complete' AND run.kind <> 'incremental' AND run.finished_at > %(since)s
        AND plan.resource = ANY(%(resources)s)
) AS full_run
GROUP BY resource ORDER BY resource
"""
_OF_ALL = """(
    SELECT plan_id, kind, status, started_at, finished_at FROM sync_run ORDER BY id DESC LIMIT %(most)s
) AS run JOIN sync_plan AS plan ON plan.id = run.plan_id WHERE TRUE"""
_OF_LOCATION = """sync_plan AS plan, LATERAL (
    SELECT kind, status, started_at, finished_at FROM sync_run WHERE plan_id = plan.id ORDER BY id DESC LIMIT %(most)s
) AS run WHERE plan.app_id = ANY(%(apps)s) AND plan.location_id = %(location)s"""


def of_all(now: datetime) -> list[MeasuredLag]:
    """The time of each resource with full runs in the last two days, over all tenants."""
    return _measured(_OF_ALL, now, {"most": LATEST})


def of_location(app_ids: Sequence[int], location_id: str, now: datetime) -> list[MeasuredLag]:
    """The same of one location."""
    return _measured(_OF_LOCATION, now, {"most": LATEST_OF_PLAN, "apps": list(app_ids), "location": location_id})


def _measured(latest: str, now: datetime, values: dict[str, Any]) -> list[MeasuredLag]:
    listed = [one.name for one in RESOURCES.values() if one.below is None or not one.below.by_change]
    with connection.cursor() as cursor:
        given = {"since": now - WITHIN, "resources": listed, **values}
        cursor.execute(_LAGS.format(latest=latest), given)
        return [MeasuredLag(name, count, float(median), float(most)) for name, count, median, most in cursor.fetchall()]
