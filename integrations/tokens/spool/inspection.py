"""Inspection of the spool for operators: list its entries with their backends, and drop one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from integrations.core import audit
from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.tokens.spool import spool
from integrations.tokens.spool.backends import BACKENDS, FAILURES, SpoolBackend
from integrations.tokens.spool.spool import ASIDE, WAITS

UNREADABLE = "unreadable"


@dataclass(slots=True)
class SpoolEntry:
    """An entry and its state. `facts`: its identifiers; `at`: when it was requested. A damaged one has neither."""

    name: str
    standing: str
    at: datetime | None
    facts: dict[str, object]
    places: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SpoolReport:
    """The entries of the backends that answer, and the reasons why others do not."""

    entries: list[SpoolEntry]
    away: dict[str, str]

    def count(self, standing: str) -> int:
        """How many entries have this state."""
        return sum(entry.standing == standing for entry in self.entries)


def look() -> SpoolReport:
    """Read all backends. A backend that does not answer is listed in `away`."""
    found: dict[tuple[str, str], SpoolEntry] = {}
    away: dict[str, str] = {}
    for backend in BACKENDS:
        try:
            for entry in _of(backend):
                found.setdefault((entry.name, entry.standing), entry).places.append(backend.name)
        except FAILURES as error:
            away[backend.name] = type(error).__name__
    return SpoolReport(sorted(found.values(), key=lambda entry: (entry.standing, entry.name)), away)


def drop(name: str, *, actor: str) -> None:
    """Delete an entry with its tokens, for good.

    Raises BadRequest when no entry has that name, StoreUnavailable while a backend cannot delete it.
    """
    copies = [entry for entry in look().entries if entry.name == name]
    if not copies:
        raise BadRequest(f"the spool has no entry {name!r} in Redis or on this machine's disk")
    audit.record("spool.dropped", actor=actor, subject=name, standing=copies[0].standing, facts=copies[0].facts)
    spool.remove(name)
    left = look()
    if left.away or any(entry.name == name for entry in left.entries):
        raise StoreUnavailable(
            f"{name} could not be deleted from every backend: see manage.py spool status, then try again"
        )


def _of(backend: SpoolBackend) -> Iterator[SpoolEntry]:
    for aside, standing in ((False, WAITS), (True, ASIDE)):
        found = backend.look(aside=aside)
        for name, text in found.texts.items():
            yield _entry(name, standing, text)
        for name in found.unreadable:
            yield SpoolEntry(name, UNREADABLE, None, {})


def _entry(name: str, standing: str, text: bytes) -> SpoolEntry:
    try:
        entry = spool.read(name, text)
    except ValueError:
        return SpoolEntry(name, standing, None, {})
    return SpoolEntry(name, standing, entry.at, entry.facts)
