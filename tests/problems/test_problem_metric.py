"""What a scraper reads about problems: how many are open, and how many of them are new, by what fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User

from integrations.problems import decisions
from integrations.problems.models import FailureKind, Problem
from integrations.tenants.models import App, Installation
from tests.console.metrics.test_metrics import samples
from tests.problems.conftest import Looks, fail_call, poison


def measured(look: Looks, name: str) -> dict[str, float]:
    """The samples of a metric by kind, those that are not zero. Every kind has one."""
    with time_machine.travel(look.now, tick=False):
        found = samples()
    mine = {key[1]: figure for key, figure in found.items() if key[0] == f"hlapp_problems_{name}"}
    assert set(mine) == set(FailureKind.values)
    return {kind: figure for kind, figure in mine.items() if figure}


@pytest.mark.usefixtures("one_of_each")
def test_open_problems_are_counted_by_what_fails(look: Looks) -> None:
    look()
    of_kinds = {kind: Problem.objects.filter(kind=kind).count() for kind in FailureKind.values}
    assert set(of_kinds.values()) >= {1}
    assert measured(look, "open") == {kind: number for kind, number in of_kinds.items() if number}
    decisions.mute(Problem.objects.filter(kind="call"), look.now + timedelta(hours=1), by="op")
    decisions.fix(Problem.objects.filter(kind="event"), look.now, by="op")
    assert {"call", "event"}.isdisjoint(measured(look, "open"))


@pytest.mark.slow
def test_new_is_what_is_wide_or_often_and_taken_by_nobody(agency: Installation, look: Looks, operator: User) -> None:
    app: App = agency.app
    fail_call(app)
    poison(app, 1)
    look()
    assert (measured(look, "open"), measured(look, "new")) == ({"call": 1, "event": 1}, {})
    poison(app, 2, tenant_id="loc2")
    look()
    assert measured(look, "new") == {"event": 1}
    decisions.assign(Problem.objects.filter(kind="event"), operator, by="op")
    assert measured(look, "new") == {}
    assert measured(look, "open") == {"call": 1, "event": 1}
