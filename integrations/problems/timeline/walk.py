"""Follows the links from where a timeline begins, a level at a time, and puts the moments into the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.problems.timeline.kinds import KINDS
from integrations.problems.timeline.timeline_moments import Moment, Ref

MOST_ROWS = 150
LEVELS = 5  # event, job, upsert, its run, call, record: as many links as there are between them
May = Callable[[str], bool]


@dataclass
class Timeline:
    """The moments, the earliest first. `more`: there were more rows than it shows; `begins` are those of the id."""

    begins: Sequence[Ref] = ()
    moments: list[Moment] = field(default_factory=list)
    more: bool = False


class _Rows:
    """The rows that were reached, by reference; each is loaded once."""

    def __init__(self, may: May) -> None:
        self.found: dict[Ref, Any] = {}
        self.more = False
        self._may = may

    def load(self, refs: Iterable[Ref]) -> list[Ref]:
        """Load those that are new and that the operator may see; their references."""
        wanted: dict[str, list[int]] = {}
        for ref in dict.fromkeys(refs):
            if ref not in self.found and self._may(KINDS[ref.kind].permission):
                wanted.setdefault(ref.kind, []).append(ref.pk)
        new = []
        for kind, pks in wanted.items():
            room = MOST_ROWS - len(self.found)
            self.more |= len(pks) > room
            for row in KINDS[kind].load(pks[:room]) if room > 0 else ():
                self.found[Ref(kind, row.pk)] = row
                new.append(Ref(kind, row.pk))
        return new

    def of(self, refs: Iterable[Ref]) -> dict[str, list[Any]]:
        """The rows by kind."""
        rows: dict[str, list[Any]] = {}
        for ref in refs:
            rows.setdefault(ref.kind, []).append(self.found[ref])
        return rows


def timeline(begins: Sequence[Ref], now: datetime, may: May) -> Timeline:
    """The timeline of these rows."""
    rows = _Rows(may)
    first = rows.load(begins)
    _follow(rows, first, "up")
    _follow(rows, first, "down")
    moments = [moment for ref, row in rows.found.items() for moment in KINDS[ref.kind].moments(row, now)]
    return Timeline(first, sorted(moments, key=lambda moment: moment.at), rows.more)


def _follow(rows: _Rows, level: list[Ref], way: str) -> None:
    for _ in range(LEVELS):
        linked = [ref for kind, found in rows.of(level).items() for ref in getattr(KINDS[kind], way)(found)]
        if not (level := rows.load(linked)):
            break
