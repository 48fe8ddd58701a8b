"""Heads of the audit trail that were exported: from the database, and from files and logs.

Each is sealed, so an invented line is recognized.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.core.audit_seals import Standing, TrailHead
from integrations.core.errors import BadRequest
from integrations.core.models import AuditHead, AuditHeadExport


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """A head and where it was found. `head` is None for one that cannot be read."""

    head: TrailHead | None
    source: str


def current() -> TrailHead | None:
    """The head in the database, whatever its seal says. None for a trail that has not begun."""
    row = AuditHead.objects.first()
    return row.head if row is not None and row.seal else None


def stored() -> Iterator[ExportedHead]:
    """The exported heads that the database remembers."""
    for pk, found in AuditHeadExport.objects.order_by("id").values_list("id", "head").iterator():
        yield _parsed(found, f"the database's export {pk}")


def in_file(path: str | Path) -> Iterator[ExportedHead]:
    """The heads in a file: one JSON object a line, as the export or the log writes them. Other lines are skipped.

    Raises BadRequest when it cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                if isinstance(found := _json(line), dict) and {"seal", "base_value"} & found.keys():
                    yield _parsed(found, f"{path}:{number}")
    except OSError as error:
        raise BadRequest(f"heads cannot be read from {path}: {error.strerror}") from None


def forged(heads: Iterable[ExportedHead]) -> Iterator[ExportedHead]:
    """Those that are not ours."""
    return (one for one in heads if one.head is None or one.head.standing is Standing.FORGED)


def _parsed(found: Any, source: str) -> ExportedHead:
    try:
        return ExportedHead(TrailHead.from_json(found), source)
    except ValueError:
        return ExportedHead(None, source)


def _json(line: str) -> Any:
    """The JSON object in a line, which may have a prefix (of a container's log)."""
    try:
        return json.loads(line[line.find("{") :]) if "{" in line else None
    except ValueError:
        return None
