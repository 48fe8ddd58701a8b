"""The filters of the body searches (POST /contacts/search, POST /opportunities/search), compiled to one test per row.

A filter is `{"field", "operator", "value"}`, or `{"group": "AND"|"OR", "filters": […]}`; a list of filters is an AND.
Operators: eq, not_eq, contains, not_contains, exists, not_exists, range. Text is compared without case. On a list
(tags, followers) eq requires all of the values, contains any of them. Each search has its own fields.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.refusals import invalid
from integrations.sandbox.timestamps import parse

Read = Callable[[Any], Any]
Test = Callable[[Any], bool]

SCALARS = (str, int, float, bool)
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True, slots=True)
class Searchable:
    """What a search can filter by: how each field is read, which are dates, and the prefix of custom fields.

    `only` names the operators of fields that do not take all of them.
    """

    fields: Mapping[str, Read]
    dates: frozenset[str]
    custom: str
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)


def compile_filters(searchable: Searchable, filters: list[Any], *, group: str = "AND") -> Test:
    """One test for all of `filters`. Raises ApiError 422 for an unknown field, operator or group, or an unfit value."""
    tests = [_compile(searchable, entry) for entry in filters]
    if group not in ("AND", "OR"):
        raise invalid(f"filters.group must be one of the following values: AND, OR, not {group}")
    if group == "OR":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _compile(searchable: Searchable, entry: Any) -> Test:
    if not isinstance(entry, dict):
        raise invalid("each value in nested property filters must be either object or array")
    if "group" in entry:
        filters = entry.get("filters")
        return compile_filters(searchable, filters if isinstance(filters, list) else [filters], group=entry["group"])
    name, operation, value = str(entry.get("field")), str(entry.get("operator")), entry.get("value")
    if operation != "range" and not all(part is None or isinstance(part, SCALARS) for part in _parts(value)):
        raise invalid("filters.value must be a string, a number, a boolean or a list of these")
    if operation not in OPERATORS:
        raise invalid(f"filters.operator must be one of the following values: {', '.join(OPERATORS)}, not {operation}")
    read = _reader(searchable, name)
    if operation not in searchable.only.get(name, OPERATORS):
        raise invalid(f"filters.operator {operation} is not supported for the field {name}")
    if name in searchable.dates:
        value = _dates(value, name)
    return OPERATORS[operation](read, value)


def _reader(searchable: Searchable, name: str) -> Read:
    if name in searchable.fields:
        return searchable.fields[name]
    if name.startswith(searchable.custom):
        field_id = name.removeprefix(searchable.custom)
        return lambda row: next((value for key, value in row.custom_fields if key == field_id), None)
    raise invalid(f"filters.field {name} is not a searchable field")


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _folded(value: Any) -> set[Any]:
    return {_fold(item) for item in _parts(value)}


def _parts(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else [value]


def _eq(read: Read, value: Any) -> Test:
    wanted, single = _folded(value), _fold(value) if not isinstance(value, list) else None

    def test(row: Any) -> bool:
        have = read(row)
        if isinstance(have, list | tuple):
            return wanted <= _folded(have)
        return _fold(have) == single if single is not None else _fold(have) in wanted

    return test


def _contains(read: Read, value: Any) -> Test:
    wanted = _folded(value)

    def test(row: Any) -> bool:
        have = read(row)
        if isinstance(have, list | tuple):
            return not wanted.isdisjoint(_folded(have))
        return have is not None and any(str(part) in str(_fold(have)) for part in wanted)

    return test


def _exists(read: Read, _value: Any) -> Test:
    return lambda row: read(row) not in (None, "", ())


def _range(read: Read, value: Any) -> Test:
    if not isinstance(value, dict) or not value or not value.keys() <= BOUNDS.keys():
        raise invalid(f"filters.value of a range must be an object with {', '.join(BOUNDS)}")
    if not all(type(bound) in (int, float, str) for bound in value.values()):
        raise invalid("filters.value of a range must have numbers, dates or text as its bounds")
    bounds = [(BOUNDS[name], bound) for name, bound in value.items()]

    def test(row: Any) -> bool:
        have = read(row)
        return type(have) in (int, float, str) and all(
            isinstance(have, str) == isinstance(bound, str) and compare(have, bound) for compare, bound in bounds
        )

    return test


def _dates(value: Any, name: str) -> Any:
    """The times in a filter's value, as milliseconds."""
    if isinstance(value, dict):
        return {bound: _date(at, name) for bound, at in value.items()}
    return None if value is None else _date(value, name)


def _date(value: Any, name: str) -> int:
    at = parse(value)
    if at is None:
        raise invalid(f"filters.value of {name} must be a date or milliseconds")
    return at


def _negated(build: Callable[[Read, Any], Test]) -> Callable[[Read, Any], Test]:
    def negate(read: Read, value: Any) -> Test:
        test = build(read, value)
        return lambda row: not test(row)

    return negate


OPERATORS: dict[str, Callable[[Read, Any], Test]] = {
    "eq": _eq,
    "not_eq": _negated(_eq),
    "contains": _contains,
    "not_contains": _negated(_contains),
    "exists": _exists,
    "not_exists": _negated(_exists),
    "range": _range,
}
