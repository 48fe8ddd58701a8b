"""What an app believes a record holds, compared with the vendor's record right before an entry is sent.

The record is the one that the call's path names: `PUT /contacts/{contactId}` and `POST /contacts/{contactId}/tags` are
about `GET /contacts/{contactId}`. Reading it costs one call more, with a permit of the entry's lane.

**What remains.** The vendor has no condition on a write, so a read and a write are two calls: what a person changes
between the two, within some tenths of a second, is overwritten all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from integrations.core.errors import BadRequest
from integrations.core.texts import as_stored_json, storable_json
from integrations.gateway.target import Target
from integrations.highlevel.catalogue import Operation, catalogue

CODE = "record_changed"  # error code of an entry whose record differs
MOST = 50  # fields
_PARAMETER = re.compile(r"{(\w+)}")


class RecordChanged(Exception):
    """The record does not hold what the app expected. `found` has the vendor's values of the expected fields."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__(", ".join(found))
        self.found = found


def checked(wanted: Target, expected: Mapping[str, Any] | None, params: Iterable[str]) -> dict[str, Any] | None:
    """The expected values as they are stored. Raises BadRequest when nothing says which record is meant."""
    if not expected:
        return None
    if len(expected) > MOST:
        raise BadRequest(f"an outbox entry expects {MOST} fields at most")
    reader_of(wanted, params)
    found: dict[str, Any] = storable_json(expected)
    return found


def reader_of(wanted: Target, params: Iterable[str]) -> Operation:
    """The operation that reads the record which the call is about: the GET of its path, or of the longest beginning.

    Raises BadRequest when there is none, such as for an upsert, whose path names no record.
    """
    given, operation = set(params), wanted.operation
    dialect = wanted.version.dialect
    parts = operation.path.strip("/").split("/")
    for length in range(len(parts), 0, -1):
        path = "/" + "/".join(parts[:length])
        names = _PARAMETER.findall(path)
        if not parts[length - 1].startswith("{") or not set(names) <= given or dialect is None:
            continue
        found = catalogue(dialect).find(f"GET {path}")
        if found is not None:
            return found
    raise BadRequest(
        f"{operation.key}: values can be expected only of a record that its path names and that can be read, such as "
        "that of contacts.update-contact"
    )


def differing(expected: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """The vendor's values of those expected fields that differ; empty if none does. Raises BadRequest for an answer
    that is no record. A field that is missing counts as null."""
    record = _record(answer)
    wanted = as_stored_json(dict(expected))
    found = as_stored_json(storable_json({name: record.get(name) for name in expected}))
    return {name: found[name] for name in expected if found[name] != wanted[name]}


def arguments(reader: Operation, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the reading call, from those of the entry."""
    return {one.name: params[one.name] for one in reader.params if one.part == "path" and one.name in params}


def _record(answer: Any) -> Mapping[str, Any]:
    """The object in the answer of a GET: the answer itself, or the only object in it."""
    if isinstance(answer, Mapping):
        inner = [value for value in answer.values() if isinstance(value, Mapping)]
        if "id" in answer or "_id" in answer:
            return answer
        if len(inner) == 1:
            return inner[0]
    raise BadRequest("the answer to the question for the record is no record: its values cannot be compared")
