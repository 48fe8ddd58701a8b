"""New problems: failures of one cause that began or came back within a day, and that no operator has taken."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.problems import queries
from integrations.problems.models import Problem
from integrations.tenants.models import App

SHOWN = 5
_FIX = "see its tenants; try again, take, mute or fix it"


def new_problems() -> Iterator[Finding]:
    """The widest new problems one by one, so that each has an alert; then the number of the others."""
    name = "problems"
    found = queries.new(clock.now()).select_related("app")
    shown = list(found[:SHOWN])
    several = App.objects.count() > 1
    for problem in shown:
        link = reverse("admin:problems_problem_change", args=[problem.pk])
        yield Finding(name, Level.WARNING, _words(problem, several_apps=several), _FIX, link)
    if not shown:
        yield Finding(name, Level.OK, "none began or came back within a day")
    elif more := found.count() - len(shown):
        link = reverse("admin:problems_problem_changelist")
        yield Finding(name, Level.WARNING, f"{more:,} more began or came back within a day", "see them", link)


def _words(problem: Problem, *, several_apps: bool) -> str:
    came = "came back" if problem.reopened else "began"
    came += f" in {problem.app}" if several_apps and problem.app else ""
    words = f": {problem.words}" if problem.words else ""
    return f"{came}: {problem}, {problem.extent}{words}"
