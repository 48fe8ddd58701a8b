"""The measured time from webhooks to their change of the copy, by resource: from receipt, and from the vendor's time.

It is read from the stored events, of which each has these moments: nothing is written or counted for it. Each type's
latest events are found by an index, however many there are. The vendor dates an event when it sends it first, so the
second time has the vendor's way, its repetitions and the difference of the two clocks in it; none counts as negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from integrations.sync.lag.measured_lag import MeasuredLag
from integrations.sync.resources import RESOURCES

LATEST = 100  # events of a type
LATEST_OF_TENANT = 1_000  # events of a mailbox
WITHIN = timedelta(hours=24)
_LAGS = """
SELECT known.resource, count(*),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM latest.processed_at - latest.received_at)),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM latest.processed_at - latest.received_at)),
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY greatest(0, extract(epoch FROM latest.processed_at - latest.occurred_at))),
    percentile_cont(0.95) WITHIN GROUP (
        ORDER BY greatest(0, extract(epoch FROM latest.processed_at - latest.occurred_at)))
FROM unnest(%(types)s::text[], %(resources)s::text[]) AS known(type, resource)
{latest}
WHERE latest.status = 'done' AND latest.processed_at IS NOT NULL
GROUP BY known.resource ORDER BY known.resource
"""
_OF_TYPE = """CROSS JOIN LATERAL (
    SELECT received_at, processed_at, occurred_at, status FROM webhooks_event
    WHERE type = known.type AND received_at > %(since)s ORDER BY received_at DESC LIMIT %(most)s
) AS latest"""
_OF_BOXES = """JOIN (
    SELECT event.* FROM unnest(%(boxes)s::bigint[]) AS box, LATERAL (
        SELECT type, received_at, processed_at, occurred_at, status FROM webhooks_event
        WHERE mailbox_id = box AND received_at > %(since)s ORDER BY received_at DESC LIMIT %(most)s
    ) AS event
) AS latest ON latest.type = known.type"""


def of_all(now: datetime) -> list[MeasuredLag]:
    """The lag of each resource with webhooks in the last 24 hours, over all tenants."""
    return _measured(_OF_TYPE, now, {"most": LATEST})


def of_mailboxes(boxes: Sequence[int], now: datetime) -> list[MeasuredLag]:
    """The same of one tenant, whose mailboxes these are."""
    return _measured(_OF_BOXES, now, {"most": LATEST_OF_TENANT, "boxes": list(boxes)})


def _measured(latest: str, now: datetime, values: dict[str, Any]) -> list[MeasuredLag]:
    pairs = [(event_type, resource.name) for resource in RESOURCES.values() for event_type in sorted(resource.events)]
    types, resources = [event_type for event_type, _ in pairs], [name for _, name in pairs]
    with connection.cursor() as cursor:
        given = {"types": types, "resources": resources, "since": now - WITHIN, **values}
        cursor.execute(_LAGS.format(latest=latest), given)
        return [
            MeasuredLag(name, count, float(median), float(most), (float(of_vendor), float(most_of_vendor)))
            for name, count, median, most, of_vendor, most_of_vendor in cursor.fetchall()
        ]
