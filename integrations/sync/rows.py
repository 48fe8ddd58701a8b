"""Converts the vendor's rows to what PostgreSQL can store: an id, a version and JSON text. Pure functions.

PostgreSQL's jsonb refuses NUL characters and lone surrogates, and JSON knows no NaN; a person who fills in a form on a
tenant's web site can put the first two there. Such characters are replaced: one bad name never costs a page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.core.texts import storable_json
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.resources import Resource

# A version further ahead than any clock skew would reject every later change; it is cut to the moment we saw it.
SKEW = timedelta(minutes=5)

_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Row:
    """One row, ready for COPY."""

    record_id: str
    version_at: datetime
    payload: str


def read(
    resource: Resource, items: Iterable[Any], seen_at: datetime, stored: Callable[[str, Any], Any] = lambda _, row: row
) -> tuple[list[Row], int]:
    """The rows of a page, and how many items were skipped because they have no usable id.

    `stored` gets a record's id and payload, and gives the payload as it is kept.

    A row without a date of its own has that of its listing, which reflects all changes up to `INDEX_LAG` before it.
    """
    rows: list[Row] = []
    skipped = 0
    for item in items:
        record_id = resource.record_id(item) if isinstance(item, Mapping) else None
        if record_id is None:
            skipped += 1
            continue
        version_at = min(resource.version_at(item) or seen_at - INDEX_LAG, seen_at + SKEW)
        rows.append(Row(record_id, version_at, encode(stored(record_id, resource.payload(item)))))
    return rows, skipped


def encode(payload: Any) -> str:
    """JSON text that jsonb accepts."""
    try:
        text = _STRICT.encode(payload)
        text.encode()
    except ValueError:  # NaN, or a surrogate that UTF-8 cannot write
        return _STRICT.encode(storable_json(payload))
    return _STRICT.encode(storable_json(payload)) if "\\u0000" in text else text
