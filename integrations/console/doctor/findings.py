"""A result of the `doctor` command: one finding, and its level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is. `doctor` exits with status 1 when one is FAILED."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """`found` describes the state, `fix` what the operator should do (empty when there is nothing to do)."""

    check: str
    level: Level
    found: str
    fix: str = ""
