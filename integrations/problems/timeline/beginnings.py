"""Where a timeline may begin: whatever id an operator has, and the rows that have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.core import texts
from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Write
from integrations.outbox.models import Entry
from integrations.outbox.models import Run as OutboxRun
from integrations.problems.timeline.kinds import KINDS
from integrations.problems.timeline.timeline_moments import Ref
from integrations.sync.models import Record
from integrations.sync.models import Run as SyncRun
from integrations.sync.queries import with_id
from integrations.tenants.models import App
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Event

MOST = 20  # rows of one kind with the same id
LONGEST = 200
# What a number may be: each kind has numbers of its own.
_NUMBERED: dict[str, Any] = {
    "job": JobRun,
    "sync": SyncRun,
    "outbox": OutboxRun,
    "event": Event,
    "call": Call,
    "write": Write,
    "upsert": Upsert,
    "upsert_run": UpsertRun,
}
_TRACED: dict[str, Any] = {
    "call": Call,
    "job": JobRun,
    "sync": SyncRun,
    "outbox": OutboxRun,
    "entry": Entry,
    "upsert_run": UpsertRun,
    "upsert_row": UpsertRow,
}


def find(text: str) -> list[Ref]:
    """The rows with this id: `kind:number`, a number, a webhook id, a trace id or a record's id."""
    wanted = text.replace("\0", "").strip()[:LONGEST]
    kind, colon, rest = wanted.partition(":")
    if colon and kind in KINDS and (number := texts.whole(rest)) is not None:
        return [Ref(kind, number)]
    if (number := number_of(wanted)) is not None:
        return [Ref(name, number) for name, model in _NUMBERED.items() if model.objects.filter(pk=number).exists()]
    return list(_by_words(wanted)) if wanted else []


def number_of(text: str) -> int | None:
    """The number that the text is, such as `12` or `run 12`. None for anything else."""
    return texts.whole(text.lower().removeprefix("run").strip())


def _by_words(wanted: str) -> Iterator[Ref]:
    apps = list(App.objects.values_list("pk", flat=True))
    for event in Event.objects.filter(app__in=apps, webhook_id=wanted).only("pk")[:MOST]:
        yield Ref("event", event.pk)
    for kind, model in _TRACED.items():
        # Without the second condition the partial index is not used.
        found = model.objects.filter(trace_id=wanted).exclude(trace_id="").order_by("-pk")
        yield from (Ref(kind, pk) for pk in found.values_list("pk", flat=True)[:MOST])
    record: Record
    for record in with_id(wanted, MOST):
        yield Ref("record", record.pk)
