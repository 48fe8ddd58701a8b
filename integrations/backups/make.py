"""Writes a backup: all tables as of one moment (one repeatable-read snapshot), and the spool."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from integrations.backups import archive, spool_entries, tables
from integrations.backups.archive import ArchiveWriter, Note
from integrations.core import audit, clock
from integrations.core.audit import exported_heads
from integrations.vault import sealed_counts

_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written."""

    path: Path
    tables: int
    rows: int
    size: int  # bytes
    sha256: str


def make(directory: Path, *, actor: str) -> Backup:
    """Write a backup into the directory, and its checksum beside it. Raises BadRequest, StoreUnavailable, OSError.

    The file appears when it is complete. Something that is in its place already, such as a link, is an error.
    """
    archive.key()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{settings.NAMESPACE}-{clock.now():%Y%m%dT%H%M%SZ}{archive.SUFFIX}"
    part = path.with_suffix(".part")
    descriptor = _create(part, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            counts = _write(ArchiveWriter(file))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    made = Backup(path, len(counts), sum(counts), path.stat().st_size, _checksum(path))
    with os.fdopen(_create(path.with_name(f"{path.name}.sha256"), 0o644), "w", encoding="ascii") as checksum:
        checksum.write(f"{made.sha256}  {path.name}\n")
    audit.record("backup.made", actor=actor, subject=path.name, tables=made.tables, rows=made.rows, sha256=made.sha256)
    return made


def _create(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def _write(writer: ArchiveWriter) -> list[int]:
    """Returns the rows of each table."""
    entries = spool_entries.read()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        writer.note(_manifest())
        counts = [_write_table(writer, table) for table in tables.every()]
        sequences = tables.sequences()
    entries |= spool_entries.read()
    writer.note({"sequences": sequences, "spool": spool_entries.as_note(entries)}, is_last=True)
    return counts


def _manifest() -> Note:
    head = exported_heads.current()
    sealing = {*sealed_counts.count().by_key, *([head.key_id] if head else [])} - {sealed_counts.DAMAGED}
    return {
        "format": archive.FORMAT,
        "made_at": clock.now().isoformat(),
        "database": settings.NAMESPACE,
        "migrations": sorted(MigrationRecorder(connection).applied_migrations()),
        "keys": sorted(sealing),
        "audit_head": head.as_json() if head else None,
        "tables": [table.name for table in tables.every()],
    }


def _write_table(writer: ArchiveWriter, table: tables.Table) -> int:
    writer.note({"table": table.name, "columns": table.columns})
    writer.data(tables.copy_out(table))
    rows = tables.count(table)
    writer.note({"rows": rows})
    return rows


def _checksum(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
