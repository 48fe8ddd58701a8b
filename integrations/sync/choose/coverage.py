"""Every operation of the vendor that lists something: which resources read it, or why none does.

`document` is the text of docs/sync-coverage.md; a test compares them. An operation lists something when it has a page
style, when a resource reads it, or when it is a GET that is not about one object other than the tenant and whose answer
has a list of objects, or is not described. A few more are named in `left_out`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.highlevel.catalogue import Operation, catalogue, fields
from integrations.highlevel.catalogue.event_types import event_types
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.highlevel.pagination.styles import style_of
from integrations.sync.choose import later_runs
from integrations.sync.choose.left_out import DEPRECATED, EVENTS, OPERATIONS
from integrations.sync.resources import ALL

_HEAD = """# What the sync covers

`manage.py sync coverage` writes this document from the catalogue and the declared resources. It has every operation of
HighLevel that lists something, in API 2.0 (`v2`) and `v3`: the resource that reads it, or why none does. A GET whose
answer the vendor's files do not describe is in it too, unless its path ends with the id of one object. Resources of a
company (agency) are read with the company's own token.

The last column says what runs read after the first one. Most filters by date go by the day of creation. Then hourly
runs read what is new, and runs that read everything bring the edits that no webhook reported.

Only the first five are synced unless you choose: `manage.py sync resources`.

"""


@dataclass(frozen=True, slots=True)
class Covered:
    """One listing operation in one dialect, and a resource that reads it, or the reason why none does."""

    operation: str
    dialect: DialectName
    resource: str
    reason: str = ""


def covered() -> list[Covered]:
    """All listing operations of both dialects, by resource and then by name."""
    found = [one for dialect in DIALECTS for one in _in_dialect(dialect)]
    order = {resource.name: number for number, resource in enumerate(ALL)}
    return sorted(found, key=lambda one: (order.get(one.resource, len(order)), one.operation, one.dialect))


def document() -> str:
    """The whole document, Markdown."""
    rows = covered()
    known = {resource.name: resource for resource in ALL}
    read = [(one, dialects) for one, dialects in _merged(rows) if one.resource]
    synced = [
        _row(one.resource, known[one.resource].kind, one.operation, dialects, later_runs.words(known[one.resource]))
        for one, dialects in read
    ]
    others = [_row(one.operation, dialects, one.reason) for one, dialects in _merged(rows) if not one.resource]
    resources, operations = (len({getattr(one, of) for one, _ in read}) for of in ("resource", "operation"))
    parts = [
        _HEAD,
        f"{resources} resources read {operations} operations. {len(others)} operations are left out.\n",
        "\n" + _table("Synced", ("Resource", "Of a", "Operation", "API", "Later runs read"), synced),
        "\n" + _table("In API 1.0", ("Resource", "Of a", "Listing"), list(_in_api_1())),
        "\n" + _table("Left out", ("Operation", "API", "Why"), others),
        "\n" + _table("Webhooks", ("Type", "Resource"), [_row(name, said) for name, said in events()]),
    ]
    return "".join(parts)


def _in_api_1() -> Iterator[str]:
    """A row for each resource that an API 1.0 key syncs. That API has no catalogue, so nothing says what it lacks."""
    for resource in ALL:
        if (here := resource.on("1.0")) is not None:
            yield _row(resource.name, here.kind, here.operation)


def _in_dialect(dialect: DialectName) -> Iterator[Covered]:
    readers: dict[str, list[str]] = {}
    for resource in ALL:
        if (here := resource.on(dialect)) is not None:
            readers.setdefault(here.operation, []).append(here.name)
    answers = fields.committed(dialect)
    for operation in catalogue(dialect).operations():
        if names := readers.get(operation.key):
            yield from (Covered(operation.key, dialect, name) for name in names)
        elif style_of(operation.key, dialect) or _lists(operation, answers):
            yield Covered(operation.key, dialect, "", _reason(operation))


def _lists(operation: Operation, answers: fields.Fields) -> bool:
    """Whether the operation is a GET with a list of objects in its answer, and not about one object of the tenant.

    An answer that is not described may have one.
    """
    path = operation.path.rstrip("/")
    if operation.method != "GET" or _left_out(operation):
        return operation.method == "GET"
    if path.endswith("}") and not path.endswith(("{companyId}", "{locationId}")):
        return False
    said = answers.get(operation.key, {}).get("response fields", {})
    return not said or any(kind.rstrip("!") == "object[]" and path.count(".") < 2 for path, kind in said.items())


def _reason(operation: Operation) -> str:
    """Why no resource reads the operation; empty if none is given."""
    return _left_out(operation) or (DEPRECATED if operation.deprecated or operation.key.endswith("-deprecated") else "")


def _left_out(operation: Operation) -> str:
    """The reason that `left_out` gives; empty if none."""
    return OPERATIONS.get(operation.key) or OPERATIONS.get(operation.operation_id, "")


def events() -> Iterator[tuple[str, str]]:
    """Each type of event with the resource that it changes, or why it changes none."""
    for name in event_types():
        readers = [resource.name for resource in ALL if name in resource.events | resource.recheck]
        yield name, ", ".join(readers) or EVENTS.get(name, "")


def _merged(rows: list[Covered]) -> list[tuple[Covered, str]]:
    """Operations with the dialects that have them."""
    found: dict[tuple[str, str], tuple[Covered, list[str]]] = {}
    for one in rows:
        found.setdefault((one.operation, one.resource), (one, []))[1].append(one.dialect)
    return [(one, ", ".join(dialects)) for one, dialects in found.values()]


def _table(title: str, names: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"## {title}\n", _row(*names), _row(*("---" for _ in names)), *rows, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
