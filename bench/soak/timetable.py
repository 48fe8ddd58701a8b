"""The seeded timetable of a soak: which fault or kill begins when, for how long, and which alerts it has to fire.

The alerting rules wait for minutes, so a soak that is shorter than `LONG` scales their durations, and the harms that
have to outlast them, by `scale`. In the first part the vendor and the jobs misbehave and single processes are killed;
then whole programs and servers are frozen, one after the other. In between and at the end only kills happen.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.soak import harms
from bench.soak.harms import Harm
from bench.soak.running import Soak

MINUTE = 60.0
WARM_UP, PAUSE, CALM_END = 45.0, 12.0, 30.0  # seconds
KILL_EVERY = 45.0
LONGEST_RULE = 15 * MINUTE  # of HlappCallsFail: the vendor fails for so long


@dataclass(frozen=True)
class Planned:
    """One harm, `at` so many seconds after the begin, for `seconds`."""

    at: float
    seconds: float
    harm: Harm


@dataclass
class Timetable:
    """All harms of a soak, and the factor of the rules' durations."""

    scale: float
    planned: list[Planned] = field(default_factory=list)

    @classmethod
    def draw(cls, minutes: float, dice: random.Random) -> Timetable:
        """Draw the times. SystemExit when the soak is too short for the harms."""
        total, fixed, scaled = minutes * MINUTE, _length(0.0), _length(1.0)
        scale = min(1.0, (total - fixed) / (scaled - fixed))
        if scale < harms.LEAST_SCALE:
            raise SystemExit(
                f"a soak takes at least {(fixed + harms.LEAST_SCALE * (scaled - fixed)) / MINUTE:.0f} minutes"
            )
        table = cls(scale)
        spare = total - _length(scale)
        table._fill(total, spare, dice)
        return table

    def _fill(self, total: float, spare: float, dice: random.Random) -> None:
        first = WARM_UP + spare * dice.uniform(0.2, 0.4)
        for harm in harms.BESIDE:
            self._add(first + dice.uniform(0.0, PAUSE), harm)
        at = first + _beside(self.scale) + PAUSE
        self._kills(WARM_UP, at - PAUSE, dice)
        calm = at + spare * dice.uniform(0.2, 0.4)
        self._kills(at, calm - PAUSE, dice)
        at = calm
        for harm in dice.sample(harms.ALONE, len(harms.ALONE)):
            self._add(at, harm)
            at += harm.seconds(self.scale) + PAUSE
        self._kills(at, total - CALM_END, dice)
        self.planned.sort(key=lambda one: one.at)

    def _add(self, at: float, harm: Harm) -> None:
        self.planned.append(Planned(at, harm.seconds(self.scale), harm))

    def _kills(self, begin: float, end: float, dice: random.Random) -> None:
        """Kills of processes that do not answer /metrics: a failed scrape would restart what the rules count."""
        at = begin
        while (at := at + KILL_EVERY * dice.uniform(0.5, 1.5)) < end:
            self._add(at, dice.choice(harms.KILLS))


def _beside(scale: float) -> float:
    return PAUSE + max(harm.seconds(scale) for harm in harms.BESIDE)


def _length(scale: float) -> float:
    alone = sum(harm.seconds(scale) + PAUSE for harm in harms.ALONE)
    return WARM_UP + _beside(scale) + PAUSE + alone + CALM_END


class Performer:
    """Begins and ends each harm at its time; `done` has when each really began and ended, in seconds since 1970."""

    def __init__(
        self, soak: Soak, table: Timetable, now: Callable[[], float], *, operator_away: threading.Event
    ) -> None:
        self.done: list[tuple[Harm, float, float]] = []
        self._soak, self._left, self._now = soak, list(table.planned), now
        self._under_way: list[tuple[float, Harm, float, Callable[[], None]]] = []
        self._began, self._operator_away = now(), operator_away

    @property
    def is_done(self) -> bool:
        """Whether no harm is left."""
        return not (self._left or self._under_way)

    def look(self) -> list[str]:
        """Do what is due; returns what happened."""
        since, news = self._now() - self._began, []
        for one in [one for one in self._under_way if one[0] <= since]:
            self._under_way.remove(one)
            self._end(*one[1:])
            news.append(f"{since:6.0f} s  end of: {one[1].name}")
        while self._left and self._left[0].at <= since:
            planned = self._left.pop(0)
            began = self._now()
            if planned.harm.needs_operator_away:
                self._operator_away.set()
            undo = planned.harm.begin(self._soak)
            self._under_way.append((since + planned.seconds, planned.harm, began, undo))
            news.append(f"{since:6.0f} s  {planned.harm.name}, for {planned.seconds:.0f} s")
        return news

    def end_all(self) -> None:
        """End what is under way, so that nothing stays frozen."""
        for one in self._under_way:
            self._end(*one[1:])
        self._under_way.clear()

    def _end(self, harm: Harm, began: float, undo: Callable[[], None]) -> None:
        undo()
        if harm.needs_operator_away:
            self._operator_away.clear()
        self.done.append((harm, began, self._now()))
