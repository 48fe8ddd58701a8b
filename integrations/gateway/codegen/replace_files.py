"""Replacement of many files at once: all of them, or none.

Every new text is on the disk beside its file before the first file is replaced. When a replacement then fails, or the
process is interrupted, the old files come back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def replace_all(texts: Mapping[Path, str], gone: Iterable[Path] = ()) -> list[Path]:
    """Write each text to its path and delete the paths in `gone`; returns the paths that changed.

    A file that has its text already is left alone. Raises OSError with every file as it was before.
    """
    changed = {path: text for path, text in texts.items() if not path.is_file() or _read(path) != text}
    removed = [path for path in gone if path.is_file()]
    staged: list[Path] = []
    try:
        for path, text in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.append(_beside(path, "new"))
            staged[-1].write_text(text, encoding="utf-8")
        _swap([*changed], removed)
    finally:
        for path in staged:
            path.unlink(missing_ok=True)
    return [*changed, *removed]


def _swap(written: list[Path], removed: list[Path]) -> None:
    """Put the staged files in place. `moved` are the paths whose old file stands beside them meanwhile."""
    moved: list[Path] = []
    placed: list[Path] = []
    try:
        for path in (*written, *removed):
            if path.is_file():
                os.replace(path, _beside(path, "old"))
                moved.append(path)
            if path in written:
                os.replace(_beside(path, "new"), path)
                placed.append(path)
    except BaseException:
        for path in placed:
            path.unlink()
        for path in moved:
            os.replace(_beside(path, "old"), path)
        raise
    for path in moved:
        _beside(path, "old").unlink()


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
