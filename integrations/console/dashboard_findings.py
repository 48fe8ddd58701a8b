"""What the dashboard says first: the findings of the live checks that need an operator, the worst first.

All is called calm only when every check ran, found nothing and knew everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from integrations.console.doctor import live_checks
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.live_checks import Check, LiveCheck
from integrations.core import clock

REMEMBERED = 12.0  # seconds
_found: dict[Check, tuple[float, list[Finding]]] = {}  # what each check of this process found last, and when
_ORDER = (Level.FAILED, Level.WARNING, Level.UNKNOWN)
_TONES = {Level.FAILED: "bad", Level.WARNING: "warn", Level.UNKNOWN: "unknown", Level.OK: "good"}
_NAMES = {Level.FAILED: "Trouble", Level.WARNING: "Warning", Level.UNKNOWN: "Not known"}


@dataclass(frozen=True, slots=True)
class DashboardRow:
    """One finding as a row. `tone` is a CSS class, `name` the word for it."""

    finding: Finding
    tone: str
    name: str


@dataclass(frozen=True, slots=True)
class DashboardFindings:
    """The rows, what is good, and the state of all in words. `hidden` checks are not this operator's to see."""

    rows: list[DashboardRow]
    good: list[Finding]
    tone: str
    words: str
    hidden: int


def read(
    may: Callable[[str], bool], mask: Callable[[str], str], *, is_update: bool = False
) -> DashboardFindings | None:
    """Run the checks that the operator `may` see; None if that is none. `mask` hides personal data in their words.

    For the update of an open page, what a check found within the last `REMEMBERED` seconds is not asked again: some
    checks read thousands of rows, and many operators may have the page open.
    """
    checks = [*live_checks.HEARTBEATS, *live_checks.CHECKS]
    seen = [check for check in checks if may(check.permission)]
    if not seen:
        return None
    found = [replace(one, found=mask(one.found)) for check in seen for one in _findings(check, is_update=is_update)]
    bad = [one for level in _ORDER for one in found if one.level is level]
    rows = [DashboardRow(one, _TONES[one.level], _NAMES[one.level]) for one in bad]
    good = [one for one in found if one.level is Level.OK]
    hidden = len(checks) - len(seen)
    return DashboardFindings(rows, good, _tone(bad, hidden), _words(bad, good, hidden), hidden)


def _findings(check: LiveCheck, *, is_update: bool) -> list[Finding]:
    known, now = _found.get(check.run), clock.monotonic()
    if is_update and known is not None and now - known[0] < REMEMBERED:
        return known[1]
    found = check.findings()
    _found[check.run] = now, found
    return found


def _tone(bad: list[Finding], hidden: int) -> str:
    if bad:
        return _TONES[bad[0].level]
    return "unknown" if hidden else "good"


def _words(bad: list[Finding], good: list[Finding], hidden: int) -> str:
    counts = [(level, sum(one.level is level for one in bad)) for level in _ORDER]
    nouns = {Level.FAILED: "in trouble", Level.WARNING: "to look at", Level.UNKNOWN: "not known"}
    parts = [f"{count} {nouns[level]}" for level, count in counts if count]
    unseen = f"; {hidden} checks are not shown to your role" if hidden else ""
    return (", ".join(parts) or f"All calm: {len(good)} checks found nothing") + unseen
