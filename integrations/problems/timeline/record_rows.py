"""Synced records in a timeline: when one changed, the webhooks that name it, and the calls for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from integrations.gateway.models import Call
from integrations.problems.timeline.timeline_moments import Moment, Ref, page_of
from integrations.sync.models import Plan, Record
from integrations.webhooks.models import Event, Mailbox

EVENTS_LOOKED_AT, CALLS_LOOKED_AT = 2_000, 2_000  # the latest of its tenant
SHOWN = 25
_SHORTEST, _MOST_IDS, _MOST_PLANS = 5, 20, 200


def records_of(app_id: int, location_id: str, ids: Iterable[str]) -> Iterator[Ref]:
    """The records of the location with one of these ids, by the unique index."""
    wanted = list(dict.fromkeys(one for one in ids if len(one) >= _SHORTEST and one != location_id))[:_MOST_IDS]
    if not wanted or not location_id:
        return
    plans = Plan.objects.filter(app=app_id, location_id=location_id)
    resources = list(plans.values_list("resource", flat=True)[:_MOST_PLANS])
    found = Record.objects.filter(app=app_id, location_id=location_id, resource__in=resources, record_id__in=wanted)
    yield from (Ref("record", pk) for pk in found.values_list("pk", flat=True)[:SHOWN])


def load(pks: Collection[int]) -> list[Record]:
    """Records, without their payloads."""
    return list(Record.objects.filter(pk__in=pks).defer("payload"))


def moments(record: Record, now: datetime) -> Iterator[Moment]:
    """When it last changed here, or was deleted."""
    ref, title = Ref("record", record.pk), f"Record {record.record_id} ({record.resource.replace('_', ' ')})"
    url, place = page_of("sync_record", record.pk), record.location_id
    if record.deleted_at is not None:
        words = f"shown by {record.get_deleted_by_display()}"
        yield Moment(record.deleted_at, ref, title, "was deleted", words, tenant_id=place, url=url)
    else:
        words = f"as of {record.version_at:%Y-%m-%d %H:%M:%S} UTC at HighLevel"
        yield Moment(record.updated_at, ref, title, "was last changed here", words, tenant_id=place, url=url)


def up(records: Sequence[Record]) -> Iterator[Ref]:
    """The full run that last saw each, the latest webhooks that name it, and the latest kept calls for it."""
    for record in records:
        if record.seen_run:
            yield Ref("sync", record.seen_run)
        yield from (Ref("event", pk) for pk in _events(record))
        yield from (Ref("call", pk) for pk in _calls(record))


def _events(record: Record) -> list[int]:
    boxes = Mailbox.objects.filter(app=record.app_id, tenant=record.tenant.mailbox_key)
    box = boxes.values_list("pk", flat=True).first()
    if box is None:
        return []
    latest = Event.objects.filter(mailbox=box).order_by("-received_at")[:EVENTS_LOOKED_AT]
    named = Event.objects.filter(pk__in=latest.values("pk"), payload__id=record.record_id)
    if record.resource == "contacts":
        named |= Event.objects.filter(pk__in=latest.values("pk"), payload__contactId=record.record_id)
    return list(named.order_by("-received_at").values_list("pk", flat=True)[:SHOWN])


def _calls(record: Record) -> list[int]:
    mine = Call.objects.filter(app=record.app_id, resource_id=record.location_id)
    latest = mine.order_by("-pk").values_list("pk", "path")[:CALLS_LOOKED_AT]
    return [pk for pk, path in latest if record.record_id in path.split("/")][:SHOWN]
