"""What a run asks for after the first one, of each resource: what is new since a moment, or everything, and why."""

from __future__ import annotations

import re

from integrations.highlevel.catalogue import Operation
from integrations.sync.pace import SOME_DAY
from integrations.sync.resources import Resource

# Parameters that bound a date, by name. Cursors such as `startAfter` are none.
IS_BOUND = re.compile(
    r"(?:start|end)(?:At|Date|Time)?|(?:from|to)(?:Date)?|date(?:From|To)|\w*(?:since|updated)\w*", re.I
)
_EDITED = "its dates show no edit"
_OWN_TIMES = "its range is of the records' own times"
_NO_COUNT = "without a count only these show a deletion"
# Why a resource does not ask for new records, though its operation has parameters that bound a date.
REASONS: dict[str, str] = {
    "blocked_slots": _OWN_TIMES,
    "calendar_events": _OWN_TIMES,
    "commissions": _NO_COUNT,
    "document_templates": _EDITED,
    "invoice_templates": _EDITED,
    "payouts": _NO_COUNT,
    "service_bookings": _OWN_TIMES,
    "snapshot_pushes": "the whole range has to be given",
    "social_posts": "its range is of planned dates, which move",
}


def words(resource: Resource) -> str:
    """What later runs ask for, for the document of the coverage."""
    if resource.is_visited and resource.below is not None:
        return f"below changed {resource.below.resource.name}"
    if resource.since is not None:
        return f"new since: {', '.join(f'`{name}`' for name in parameters(resource))}"
    return f"all: {REASONS.get(resource.name, 'no filter by date')}"


def parameters(resource: Resource) -> list[str]:
    """The parameters or fields by which a later run asks for what is new."""
    first, later = resource.request("x", None), resource.request("x", SOME_DAY)
    names = [name for name in later.params or {} if name not in (first.params or {})]
    names += [name for name, value in (later.params or {}).items() if (first.params or {}).get(name, value) != value]
    return names + [entry["field"] for entry in (later.body or {}).get("filters", ())]


def bounds(operation: Operation) -> list[str]:
    """The parameters of an operation that bound a date."""
    names = [one.name for one in operation.params] + list(operation.body.properties if operation.body else ())
    return [name for name in names if IS_BOUND.fullmatch(name)]
