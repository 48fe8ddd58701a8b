"""A result of the `doctor` command: one finding, and its level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is. `doctor` exits with status 1 when one is FAILED.

    UNKNOWN: the check could not find out, which proves nothing.
    """

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """`found` describes the state, `fix` what the operator should do (empty when there is nothing to do).

    `link` is the page for it; empty where no page helps.
    """

    check: str
    level: Level
    found: str
    fix: str = ""
    link: str = ""
