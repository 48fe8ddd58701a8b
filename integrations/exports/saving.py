"""Writes the files of a run to a directory, for `manage.py exports save`: the same bytes as the download.

A file appears under its name when it is whole, and only its owner may read it: it has personal data.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.db.models import QuerySet

from integrations.core import audit
from integrations.exports import export_files
from integrations.exports.models import Export, ExportPart, Run


def save(run: Run, folder: Path, now: datetime, *, actor: str) -> list[Path]:
    """Write what can be downloaded of a run, a file for each resource, or each part of Parquet; the paths.

    Each file has an audit entry. Raises OSError when the directory cannot be written.
    """
    parts, written = export_files.available(run, now), []
    for name in dict.fromkeys(parts.values_list("resource", flat=True)):
        for number, rows in _files(run, parts.filter(resource=name)):
            file = f"{name}-{run.pk}{f'-{number}' if number else ''}.{run.export.form}"
            audit.record("export.downloaded", actor=actor, subject=f"export:{run.export_id}", run=run.pk, file=file)
            written.append(_write(folder / file, rows))
    return written


def _files(run: Run, parts: QuerySet[ExportPart]) -> list[tuple[int, QuerySet[ExportPart]]]:
    """The parts of each file, with its number: 0 for all parts in one."""
    if run.export.form != Export.Form.PARQUET:
        return [(0, parts)]
    return [(part.number, parts.filter(pk=part.pk)) for part in parts]


def _write(path: Path, parts: QuerySet[ExportPart]) -> Path:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:  # 0600 by itself
        try:
            file.writelines(export_files.read(parts))
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name).replace(path)
