"""What a check of `doctor` answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """`found` is what is the case, `fix` what to do about it (empty when nothing is)."""

    check: str
    level: Level
    found: str
    fix: str = ""
