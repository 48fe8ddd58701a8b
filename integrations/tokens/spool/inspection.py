"""The spool as an operator sees it: what lies there, where, and since when; and the end of what nobody wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from integrations.core import audit
from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.tokens.spool import spool
from integrations.tokens.spool.backends import FAILURES, PLACES, Place
from integrations.tokens.spool.spool import ASIDE, WAITS

UNREADABLE = "unreadable"


@dataclass(slots=True)
class Lying:
    """An entry in one standing. `facts` are its identifiers, `at` when it was asked for: neither when it is damaged."""

    name: str
    standing: str
    at: datetime | None
    facts: dict[str, object]
    places: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies in the places that answer, and why the others do not."""

    entries: list[Lying]
    away: dict[str, str]

    def count(self, standing: str) -> int:
        return sum(entry.standing == standing for entry in self.entries)


def look() -> Desk:
    found: dict[tuple[str, str], Lying] = {}
    away: dict[str, str] = {}
    for place in PLACES:
        try:
            for lying in _of(place):
                found.setdefault((lying.name, lying.standing), lying).places.append(place.name)
        except FAILURES as error:
            away[place.name] = type(error).__name__
    return Desk(sorted(found.values(), key=lambda lying: (lying.standing, lying.name)), away)


def drop(name: str, *, actor: str) -> None:
    """Give an entry up; its tokens are gone with it. Raises BadRequest when there is none of that name,
    StoreUnavailable while it cannot be taken away from every place."""
    held = [lying for lying in look().entries if lying.name == name]
    if not held:
        raise BadRequest(f"there is no entry {name!r} in the spool, as far as it can be seen from here")
    audit.record("spool.dropped", actor=actor, subject=name, standing=held[0].standing, facts=held[0].facts)
    spool.remove(name)
    left = look()
    if left.away or any(lying.name == name for lying in left.entries):
        raise StoreUnavailable(f"{name} could not be taken away from everywhere: manage.py spool status, then again")


def _of(place: Place) -> Iterator[Lying]:
    for aside, standing in ((False, WAITS), (True, ASIDE)):
        found = place.look(aside=aside)
        for name, text in found.texts.items():
            yield _lying(name, standing, text)
        for name in found.unreadable:
            yield Lying(name, UNREADABLE, None, {})


def _lying(name: str, standing: str, text: bytes) -> Lying:
    try:
        entry = spool.read(name, text)
    except (ValueError, KeyError, TypeError):
        return Lying(name, standing, None, {})
    return Lying(name, standing, entry.at, entry.facts)
