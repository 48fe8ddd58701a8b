"""The soak provokes alerts that exist, in a timetable that fits, with rules whose durations alone are scaled."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from bench.soak import alert_watch, harms
from bench.soak.timetable import Timetable

RULES = alert_watch.RULES.read_text()
ALERTS = set(re.findall(r"alert: (\w+)", RULES))
HARMS = (*harms.KILLS, *harms.BESIDE, *harms.ALONE)


def test_harms_name_alerts_that_exist() -> None:
    named = set().union(*(harm.must | harm.may | harm.for_an_hour for harm in HARMS))
    assert named <= ALERTS
    assert len(set().union(*(harm.must for harm in HARMS))) >= 8


def test_only_durations_are_scaled() -> None:
    tenth = alert_watch.scaled(RULES, 0.1)
    assert "for: 90s" in tenth
    assert "[60s]" in tenth
    assert "offset 360s" in tenth
    assert re.sub(r"\d+[smh]", "", tenth) == re.sub(r"\d+[smh]", "", RULES)
    hour = alert_watch.scaled(RULES, 1.0)
    assert "for: 900s" in hour


@pytest.mark.parametrize("minutes", [13, 60, 120])
def test_every_harm_has_its_time_and_those_that_run_alone_do_not_meet(minutes: int) -> None:
    for seed in range(20):
        table = Timetable.draw(minutes, random.Random(seed))
        assert {one.harm for one in table.planned} >= {*harms.BESIDE, *harms.ALONE}
        assert max(one.at + one.seconds for one in table.planned) <= minutes * 60
        alone = [one for one in table.planned if one.harm not in harms.BESIDE]
        ends = [(one.at, one.at + one.seconds) for one in alone if one.harm in harms.ALONE]
        assert all(end <= at for (_, end), (at, _) in itertools.pairwise(ends))
        assert not any(begin <= one.at < end for begin, end in ends for one in alone if one.harm in harms.KILLS)
    assert Timetable.draw(60, random.Random(1)).scale == 1.0


def test_the_same_seed_gives_the_same_timetable() -> None:
    assert Timetable.draw(60, random.Random(7)).planned == Timetable.draw(60, random.Random(7)).planned


def test_a_soak_that_is_too_short_says_how_long_it_takes() -> None:
    with pytest.raises(SystemExit, match="at least 12 minutes"):
        Timetable.draw(5, random.Random(1))
