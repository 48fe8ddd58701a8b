"""New problems: failures of one cause that began or came back within a day, and that nobody has taken."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.problems import queries
from integrations.problems.models import Problem

SHOWN = 5
_FIX = "see its tenants; try again, take, mute or fix it"


def new_problems() -> Iterator[Finding]:
    """The widest new problems one by one, so that each is told; then the number of the others."""
    name = "problems"
    found = queries.new(clock.now())
    shown = list(found[:SHOWN])
    for problem in shown:
        link = reverse("admin:problems_problem_change", args=[problem.pk])
        yield Finding(name, Level.WARNING, _words(problem), _FIX, link)
    if not shown:
        yield Finding(name, Level.OK, "none began or came back within a day")
    elif more := found.count() - len(shown):
        link = reverse("admin:problems_problem_changelist")
        yield Finding(name, Level.WARNING, f"{more:,} more began or came back within a day", "see them", link)


def _words(problem: Problem) -> str:
    came = "came back" if problem.reopened else "began"
    words = f": {problem.words}" if problem.words else ""
    return f"{came}: {problem}, {problem.extent}{words}"
