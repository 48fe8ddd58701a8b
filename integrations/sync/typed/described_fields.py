"""The fields of a resource's records as the catalogue describes the vendor's answers: names and kinds, nothing deeper.

They come from the answers of the listing and of the operation for one record, in API 2.0 and v3 together. The vendor
may send more or less than it describes: a record's `fields` have what it sent.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from functools import cache

from integrations.highlevel.catalogue import fields
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.highlevel.pagination.pages import ANYWHERE
from integrations.sync.resources import Resource

_RESPONSE = fields.SIDES[1]
_TYPES = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "object": "dict[str, Any]"}
_DATES = frozenset({"dateAdded", "dateUpdated", "startTime", "endTime", "dueDate"})
_SQL = {"number": "numeric", "integer": "numeric", "boolean": "boolean", "string": "text"}


def of(resource: Resource) -> dict[str, str]:
    """The kind of each field, by its name: `string`, `number`, `string[]`, `object`, `any`, `open|won`. Sorted."""
    found: dict[str, set[str]] = {}
    for dialect in DIALECTS:
        here = resource.on(dialect)
        for name, kind in _in_dialect(here, dialect) if here else ():
            if name not in resource.noise:
                found.setdefault(name, set()).add(kind.removesuffix("!"))
    return {name: kinds.pop() if len(kinds) == 1 else "any" for name, kinds in sorted(found.items())}


def python_type(kind: str) -> str:
    """The annotation of a kind. A kind that the vendor's files leave open is `Any`."""
    if kind.endswith("[]"):
        return f"list[{python_type(kind.removesuffix('[]'))}]"
    return "str" if "|" in kind else _TYPES.get(kind, "Any")


def sql_type(name: str, kind: str) -> str:
    """The type of a view's column: `jsonb` for what has parts, `timestamptz` for the vendor's dates."""
    if kind == "string" and (name in _DATES or name.endswith("At")):
        return "timestamptz"
    return "text" if "|" in kind else _SQL.get(kind, "jsonb")


def is_name(field: str) -> bool:
    """Whether a field can be named in Python."""
    return field.isidentifier() and not keyword.iskeyword(field)


@cache
def _described(dialect: DialectName) -> fields.Fields:
    return fields.committed(dialect)


def _answer(dialect: DialectName, operation: str) -> fields.Kinds:
    """What is described of the operation's answer; of an operation without a description, that of its former path."""
    described = _described(dialect)
    found = described.get(operation, {}).get(_RESPONSE) or described.get(f"{operation}-deprecated", {}).get(_RESPONSE)
    return found or {}


def _in_dialect(resource: Resource, dialect: DialectName) -> Iterator[tuple[str, str]]:
    listed = _answer(dialect, resource.operation)
    yield from _below(listed, _row_path(resource, listed))
    if resource.single is not None:
        alone = _answer(dialect, resource.single.operation)
        yield from _below(alone, resource.single.name)


def _row_path(resource: Resource, listed: fields.Kinds) -> str | None:
    """The path of the listing's rows in its answer; None if the answer is not described."""
    if resource.only_one:
        return "" if resource.whole == ANYWHERE else resource.whole
    named = (resource.whole,) if resource.style is None else resource.style.items
    lists = [path for path, kind in listed.items() if "[]" in kind and "." not in path]
    for path in named:
        if path in listed:
            return f"{path}[]"
        if path == ANYWHERE and any(name.startswith("[].") for name in listed):
            return "[]"
        if path == ANYWHERE and len(lists) == 1:
            return f"{lists[0]}[]"
    return None


def _below(kinds: fields.Kinds, parent: str | None) -> Iterator[tuple[str, str]]:
    if parent is None:
        return
    prefix = f"{parent}." if parent else ""
    for path, kind in kinds.items():
        name = path.removeprefix(prefix)
        if path.startswith(prefix) and "." not in name and "[]" not in name:
            yield name, kind
