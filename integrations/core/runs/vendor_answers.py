"""The vendor's answer as a run's row keeps it: of limited size, and without the names and addresses of people."""

from __future__ import annotations

import json
import re
from typing import Any

from integrations.core.errors import VendorAnswer
from integrations.core.redaction import ELLIPSIS

LARGEST = 4_000  # characters of JSON
_PERSONAL = re.compile(r"(?<!field)(?<!file)_?(name|e-?mail|phone|address|birth)s?$", re.IGNORECASE)


def kept(answer: VendorAnswer) -> dict[str, Any] | None:
    """The answer for a JSON column, None when there was none. A body that is too large is left out, and says so."""
    record = answer.record()
    if "body" in record:
        record["body"] = _without_people(record["body"])
    if len(json.dumps(record)) > LARGEST:
        record = {**record, "body": f"left out: {len(json.dumps(record.get('body'))):,} characters"}
    return record or None


def _without_people(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ELLIPSIS if _is_personal(name, item) else _without_people(item) for name, item in value.items()}
    return [_without_people(item) for item in value] if isinstance(value, list) else value


def _is_personal(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and _PERSONAL.search(name) is not None
