"""Exports all data of a tenant or a contact: a file of JSON Lines for each kind, and `manifest.json` with the counts.

Secrets are left out (`Holding.sealed`). The files are for the operator alone; who gets them on request of a person has
to check first who that is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.privacy import contact_rows, inventory
from integrations.privacy.purge_scope import Scope
from integrations.sync.models import HistoryEntry, Record
from integrations.sync.sealed_fields import FieldOpener

MANIFEST = "manifest.json"
_CHUNK = 1_000
_FORMAT = 1


class _Encoder(DjangoJSONEncoder):
    """Bytes in hexadecimal."""

    def default(self, o: Any) -> Any:
        """The value as JSON has it."""
        return bytes(o).hex() if isinstance(o, bytes | memoryview) else super().default(o)


def write(scope: Scope, directory: Path, *, actor: str) -> dict[str, int]:
    """Write the files; how many lines each has. Raises BadRequest when the directory has files or cannot be written."""
    lines: dict[str, int] = {}
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise BadRequest(f"{directory} has files already: name a new directory")
        for name, rows in _kinds(scope):
            with _new(directory / f"{name}.jsonl") as file:
                lines[name] = sum(_put(file, row) for row in _values(rows))
        with _new(directory / MANIFEST) as file:
            json.dump(_manifest(scope, lines), file, indent=2)
    except OSError as error:
        raise BadRequest(f"{directory} cannot be written ({error.strerror})") from error
    audit.record(
        "export.written", actor=actor, subject=scope.tenant.audit_subject, of_contact=bool(scope.contact), lines=lines
    )
    return lines


def _kinds(scope: Scope) -> Iterator[tuple[str, QuerySet[Any]]]:
    if scope.contact:
        yield from ((one.name.replace(" ", "-"), one.rows(scope)) for one in contact_rows.ALL)
    else:
        yield from ((one.model, one.rows(scope)) for one in inventory.holdings() if one.rows is not None)


def _values(rows: QuerySet[Any]) -> Iterator[dict[str, Any]]:
    """The rows as dictionaries, without their secrets, read in chunks."""
    label = rows.model._meta.label  # noqa: SLF001 - documented by Django
    hidden = {name for one in inventory.holdings() if one.model == label for name in one.sealed}
    fields = apps.get_model(label)._meta.concrete_fields  # noqa: SLF001 - documented by Django
    names = [field.attname for field in fields if field.name not in hidden]
    opener = FieldOpener()
    for row in rows.order_by("pk").values(*names).iterator(chunk_size=_CHUNK):
        if rows.model is HistoryEntry:
            row["fields"] = _opened_change(opener, row)
        if rows.model is Record:
            row["payload"] = opener.opened(row["location_id"], row["resource"], row["record_id"], row["payload"])
        yield row


def _opened_change(opener: FieldOpener, row: dict[str, Any]) -> dict[str, list[Any]]:
    """The old and new values of a change, open."""
    place = row["location_id"], row["resource"], row["record_id"]
    old, new = (opener.opened(*place, {name: pair[side] for name, pair in row["fields"].items()}) for side in (0, 1))
    return {name: [old[name], new[name]] for name in old}


def _put(file: IO[str], row: dict[str, Any]) -> int:
    file.write(json.dumps(row, cls=_Encoder, ensure_ascii=False) + "\n")
    return 1


def _new(path: Path) -> IO[str]:
    """A new file that only its owner reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


def _manifest(scope: Scope, lines: dict[str, int]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "tenant": scope.tenant.audit_subject,
        "contact": scope.contact or None,
        "locations": sorted(scope.locations - {scope.tenant.id}),
        "written_at": clock.now().isoformat(),
        "lines": lines,
    }
