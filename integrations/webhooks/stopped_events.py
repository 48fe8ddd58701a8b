"""Silence: an app or a tenant that received events regularly, and receives none now.

Each is compared with its own two weeks before the last event. They are cut into slots (ten minutes of an app, hours of
a tenant), and a slot counts as heard when at least one event was received in it: a burst of events counts once. In
doubt nothing is called silent. All of this has to hold:

- the first of these events is at least a week older than the last one, so that a weekend was seen;
- the silence is longer by half than the longest one of that time, which nights and weekends were, too;
- at its usual rate it would have been heard in `EXPECTED` slots since. So a tenant with few events is never judged.

An app may be silent for hours before that is longer than a weekend. So an app `is_likely` silent already when it was
heard in `EXPECTED` slots in the same hours of the week before, and of the one before that. A public holiday looks like
that, too.

Visits of a billing URL are no evidence: any browser makes them. They are in no tenant's mailbox.

After two weeks silence is the new habit, and is not reported. Uninstalled tenants are not looked at, and those of an
app that is silent itself are not named. All reads go through the indexes of the latest events, slot by slot, so they
cost the same whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Subquery

from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.module_deliveries import EXTERNAL_BILLING
from integrations.webhooks.queries import installed_here

HISTORY, WEEK = timedelta(days=14), timedelta(days=7)
APP_SLOT, TENANT_SLOT = timedelta(minutes=10), timedelta(hours=1)
EXPECTED = 15  # slots; by chance none of so many is heard once in three million times
LONGER = 1.5  # times the longest silence before
MOST_TENANTS = 200  # the latest ones of those that may be silent; many at once have one cause

# From the latest slot back to the next one that was heard: one step in the index per slot.
_HEARD = """
WITH RECURSIVE heard AS (
    SELECT given.id, date_bin(%(slot)s, given.latest, 'epoch') AS slot, given.latest - %(history)s AS since
    FROM unnest(%(ids)s::bigint[], %(latest)s::timestamptz[]) AS given(id, latest)
    UNION ALL
    SELECT heard.id, date_bin(%(slot)s, earlier.received_at, 'epoch'), heard.since
    FROM heard CROSS JOIN LATERAL (
        SELECT received_at FROM webhooks_event
        WHERE {column} = heard.id AND received_at < heard.slot AND received_at >= heard.since
          AND NOT starts_with(type, %(visits)s)
        ORDER BY received_at DESC LIMIT 1
    ) earlier
)
SELECT id, array_agg(slot ORDER BY slot) FROM heard GROUP BY id
"""

# One step in the index per mailbox, whatever the number of events.
_QUIET = """
SELECT box.id, box.app_id, app.name, box.tenant, latest.received_at
FROM webhooks_mailbox box JOIN tenants_app app ON app.id = box.app_id CROSS JOIN LATERAL (
    SELECT received_at FROM webhooks_event WHERE mailbox_id = box.id ORDER BY received_at DESC LIMIT 1
) latest
WHERE box.tenant <> 'app' AND box.app_id <> ALL(%(but)s::bigint[])
  AND latest.received_at > %(after)s AND latest.received_at < %(before)s
ORDER BY latest.received_at DESC LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Silence:
    """An app, or a tenant of it, without events since `latest`; `longest` is the longest silence before.

    `is_likely`: it is not longer than any before, but was not usual in these hours. `tenant` is a mailbox's key.
    """

    app_id: int
    app: str
    tenant: str
    latest: datetime
    longest: timedelta
    is_likely: bool = False


@dataclass(frozen=True, slots=True)
class _Heard:
    """When the latest event was received, and the start of each slot with an event, in order."""

    latest: datetime
    slots: Sequence[datetime]
    slot: timedelta

    @property
    def longest(self) -> timedelta:
        return max((after - before for before, after in zip(self.slots, self.slots[1:], strict=False)), default=WEEK)

    def is_silent(self, now: datetime) -> bool:
        known = self.slots[-1] - self.slots[0] + self.slot
        silent = now - self.latest
        expected = len(self.slots) / (known / self.slot) * (silent / self.slot)
        return known >= WEEK and silent > LONGER * self.longest and expected >= EXPECTED

    def is_unusual(self, now: datetime) -> bool:
        weeks = [(self.latest - number * WEEK, now - number * WEEK) for number in (1, 2)]
        return all(sum(since < at <= until for at in self.slots) >= EXPECTED for since, until in weeks)


def apps(now: datetime) -> list[Silence]:
    """The apps that are silent."""
    sent = Event.objects.filter(app=OuterRef("pk")).exclude(type__startswith=EXTERNAL_BILLING)
    newest = sent.order_by("-received_at").values("received_at")[:1]
    rows = App.objects.annotate(latest=Subquery(newest)).order_by("name")
    quiet = rows.filter(latest__gt=now - HISTORY, latest__lt=now - EXPECTED * APP_SLOT)
    names = {pk: (name, latest) for pk, name, latest in quiet.values_list("pk", "name", "latest")}
    found = []
    for pk, heard in _heard("app_id", {pk: latest for pk, (_, latest) in names.items()}, APP_SLOT).items():
        sure = heard.is_silent(now)
        if sure or heard.is_unusual(now):
            found.append(Silence(pk, names[pk][0], "", heard.latest, heard.longest, is_likely=not sure))
    return found


def tenants(now: datetime, but: Sequence[int] = ()) -> list[Silence]:
    """The tenants that are silent, the latest first, but for those of these apps."""
    values: dict[str, Any] = {
        "but": list(but),
        "after": now - HISTORY,
        "before": now - EXPECTED * TENANT_SLOT,
        "most": MOST_TENANTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_QUIET, values)
        rows: dict[int, tuple[int, str, str, datetime]] = {row[0]: row[1:] for row in cursor.fetchall()}
    here = Mailbox.objects.filter(installed_here(), pk__in=list(rows)).values_list("pk", flat=True) if rows else ()
    heard = _heard("mailbox_id", {pk: rows[pk][3] for pk in here}, TENANT_SLOT)
    return [
        Silence(app_id, name, tenant, latest, heard[pk].longest)
        for pk, (app_id, name, tenant, latest) in rows.items()
        if pk in heard and heard[pk].is_silent(now)
    ]


def _heard(column: str, latest: dict[int, datetime], slot: timedelta) -> dict[int, _Heard]:
    if not latest:
        return {}
    values: dict[str, Any] = {
        "ids": list(latest),
        "latest": list(latest.values()),
        "slot": slot,
        "history": HISTORY,
        "visits": EXTERNAL_BILLING,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HEARD.format(column=column), values)
        return {pk: _Heard(latest[pk], slots, slot) for pk, slots in cursor.fetchall()}
