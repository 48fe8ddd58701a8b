"""Kept calls in a timeline: what was called, by which run, and which records it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from integrations.gateway.models import Call
from integrations.problems.timeline.record_rows import records_of
from integrations.problems.timeline.timeline_moments import Moment, Ref, page_of, ref_of


def load(pks: Collection[int]) -> list[Call]:
    """Kept calls, without their bodies."""
    return list(Call.objects.filter(pk__in=pks).defer("body", "response", "request_sealed"))


def moments(call: Call, now: datetime) -> Iterator[Moment]:
    """The one moment: it failed, or was slow."""
    error = " ".join(filter(None, [str(call.status or ""), call.code.replace("_", " ")]))
    what, tone = (f"failed: {error}", "bad") if call.code else (f"was slow: {call.took_ms:,} ms", "warn")
    title, url = f"Call {call.operation}", page_of("gateway_call", call.pk)
    ref = Ref("call", call.pk)
    yield Moment(call.at, ref, title, what, call.message, tone, call.resource_id, call.trace_id, url)


def up(calls: Sequence[Call]) -> Iterator[Ref]:
    """The runs that made them."""
    yield from (ref for call in calls if (ref := ref_of(call.run)))


def down(calls: Sequence[Call]) -> Iterator[Ref]:
    """The records that their paths name."""
    for call in calls:
        yield from records_of(call.app_id, call.resource_id, call.path.strip("/").split("/"))
