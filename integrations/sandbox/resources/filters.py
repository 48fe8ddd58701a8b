"""The filters of POST /contacts/search, compiled to one test per row.

A filter is `{"field", "operator", "value"}`, or `{"group": "AND"|"OR", "filters": […]}`; a list of filters is an AND.
Operators: eq, not_eq, contains, not_contains, exists, not_exists, range. Text compares without case. On a list (tags,
followers) eq asks for all of the values, contains for any of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from integrations.sandbox.records import Contact
from integrations.sandbox.resources.checks import invalid
from integrations.sandbox.timestamps import parse

Test = Callable[[Contact], bool]
Read = Callable[[Contact], Any]

FIELDS: dict[str, Read] = {
    "id": operator.attrgetter("id"),
    "address": operator.attrgetter("address1"),
    "assignedTo": operator.attrgetter("assigned_to"),
    "city": operator.attrgetter("city"),
    "companyName": operator.attrgetter("company_name"),
    "contactName": operator.attrgetter("name"),
    "country": operator.attrgetter("country"),
    "dateAdded": operator.attrgetter("added_at"),
    "dateUpdated": operator.attrgetter("updated_at"),
    "dateOfBirth": operator.attrgetter("date_of_birth"),
    "dnd": operator.attrgetter("dnd"),
    "email": operator.attrgetter("email"),
    "firstName": operator.attrgetter("first_name"),
    "firstNameLowerCase": operator.attrgetter("first_name_lower"),
    "lastName": operator.attrgetter("last_name"),
    "lastNameLowerCase": operator.attrgetter("last_name_lower"),
    "fullNameLowerCase": operator.attrgetter("full_name_lower"),
    "followers": operator.attrgetter("followers"),
    "phone": operator.attrgetter("phone"),
    "postalCode": operator.attrgetter("postal_code"),
    "source": operator.attrgetter("source"),
    "state": operator.attrgetter("state"),
    "tags": operator.attrgetter("tags"),
    "timezone": operator.attrgetter("timezone"),
    "type": operator.attrgetter("type"),
    "website": operator.attrgetter("website"),
}
DATES = {"dateAdded", "dateUpdated"}
SCALARS = (str, int, float, bool)
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def compile_filters(filters: list[Any], *, group: str = "AND") -> Test:
    """One test for all of `filters`. Raises ApiError 422 for an unknown field, operator or group, or an unfit value."""
    tests = [_compile(entry) for entry in filters]
    if group not in ("AND", "OR"):
        raise invalid(f"filters.group must be one of the following values: AND, OR, not {group}")
    if group == "OR":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _compile(entry: Any) -> Test:
    if not isinstance(entry, dict):
        raise invalid("each value in nested property filters must be either object or array")
    if "group" in entry:
        filters = entry.get("filters")
        return compile_filters(filters if isinstance(filters, list) else [filters], group=entry["group"])
    field, name, value = str(entry.get("field")), str(entry.get("operator")), entry.get("value")
    if name != "range" and not all(part is None or isinstance(part, SCALARS) for part in _parts(value)):
        raise invalid("filters.value must be a string, a number, a boolean or a list of these")
    build = OPERATORS.get(name)
    if build is None:
        raise invalid(f"filters.operator must be one of the following values: {', '.join(OPERATORS)}, not {name}")
    if field in DATES and name != "range":
        value = _date(value, field)
    return build(_reader(field), value, field)


def _reader(field: str) -> Read:
    if field in FIELDS:
        return FIELDS[field]
    if field.startswith("customFields."):
        field_id = field.removeprefix("customFields.")
        return lambda row: next((value for key, value in row.custom_fields if key == field_id), None)
    raise invalid(f"filters.field {field} is not a searchable field")


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _folded(value: Any) -> set[Any]:
    return {_fold(item) for item in _parts(value)}


def _parts(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else [value]


def _eq(read: Read, value: Any, _field: str) -> Test:
    wanted, single = _folded(value), _fold(value) if not isinstance(value, list) else None

    def test(row: Contact) -> bool:
        have = read(row)
        if isinstance(have, list | tuple):
            return wanted <= _folded(have)
        return _fold(have) == single if single is not None else _fold(have) in wanted

    return test


def _contains(read: Read, value: Any, _field: str) -> Test:
    wanted = _folded(value)

    def test(row: Contact) -> bool:
        have = read(row)
        if isinstance(have, list | tuple):
            return not wanted.isdisjoint(_folded(have))
        return have is not None and any(str(part) in str(_fold(have)) for part in wanted)

    return test


def _exists(read: Read, _value: Any, _field: str) -> Test:
    return lambda row: read(row) not in (None, "", ())


def _range(read: Read, value: Any, field: str) -> Test:
    if not isinstance(value, dict) or not value or not value.keys() <= BOUNDS.keys():
        raise invalid(f"filters.value of a range must be an object with {', '.join(BOUNDS)}")
    bounds = [(BOUNDS[name], _date(bound, field) if field in DATES else bound) for name, bound in value.items()]

    def test(row: Contact) -> bool:
        have = read(row)
        return type(have) in (int, float, str) and all(
            isinstance(have, str) == isinstance(bound, str) and compare(have, bound) for compare, bound in bounds
        )

    return test


def _date(value: Any, field: str) -> int | None:
    if value is None:
        return None
    at = parse(value)
    if at is None:
        raise invalid(f"filters.value of {field} must be a date or milliseconds")
    return at


def _negated(build: Callable[[Read, Any, str], Test]) -> Callable[[Read, Any, str], Test]:
    def negate(read: Read, value: Any, field: str) -> Test:
        test = build(read, value, field)
        return lambda row: not test(row)

    return negate


OPERATORS: dict[str, Callable[[Read, Any, str], Test]] = {
    "eq": _eq,
    "not_eq": _negated(_eq),
    "contains": _contains,
    "not_contains": _negated(_contains),
    "exists": _exists,
    "not_exists": _negated(_exists),
    "range": _range,
}
