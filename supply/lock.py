"""Reads the locked packages from requirements/*.txt: names, versions and hashes. Pure but for reading the files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# `base` is what production runs, with the extras `parquet` and `observability` where they are wanted.
SETS = ("base", "parquet", "observability", "embedded", "test", "dev")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(slots=True)
class LockedPackage:
    """One version of a package (two where markers choose between them). `sets` are the files that name it.

    `hashes` are those of its archives.
    """

    name: str
    version: str
    sets: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)


def read(directory: Path = ROOT / "requirements", sets: Sequence[str] = SETS) -> list[LockedPackage]:
    """The packages, by name (PEP 503) and version. Raises ValueError when one has no hash."""
    found: dict[tuple[str, str], LockedPackage] = {}
    for name in sets:
        _read_file(directory / f"{name}.txt", name, found)
    bare = sorted(one.name for one in found.values() if not one.hashes)
    if bare:
        raise ValueError(f"locked without a hash: {', '.join(bare)}; run make requirements")
    return [found[key] for key in sorted(found)]


def _read_file(path: Path, name: str, found: dict[tuple[str, str], LockedPackage]) -> None:
    package: LockedPackage | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            key = canonicalize_name(pin[1]), pin[2]
            package = found.setdefault(key, LockedPackage(*key))
            package.sets.add(name)
        if package is not None:
            package.hashes.update(_HASH.findall(line))
