"""What the forms on the page of a problem do: try its failures again, mute it until a moment, give it to an operator.

They are posted. A GET, as a reload makes one, leads back to the page of the problem.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from integrations.core import clock, texts
from integrations.core.admin import operator
from integrations.core.pages.bulk_actions import ChosenRows
from integrations.problems import decisions, next_try
from integrations.problems.models import Problem
from integrations.problems.next_try import NextTry

LONGEST = timedelta(days=366)


def may_decide(request: HttpRequest) -> bool:
    """Whether the operator may mute, assign and fix problems."""
    return request.user.has_perm("problems.change_problem")


def may_try(request: HttpRequest, problem: Problem) -> NextTry | None:
    """How the operator may try the failures again; None where nothing does, or the operator may not."""
    found = next_try.of(problem)
    if found is None or found.action not in admin.site.get_model_admin(found.model).get_actions(request):
        return None
    return found


def again(request: HttpRequest, object_id: str) -> HttpResponse:
    """Try the failures of a problem again, with the question and the progress of any action on many rows."""
    problem = _problem(request, object_id)
    if request.method != "POST":
        return _page(problem)
    if (how := may_try(request, problem)) is None:
        raise PermissionDenied
    page: Any = admin.site.get_model_admin(how.model)
    act, _, label = page.get_actions(request)[how.action]
    keys = [str(pk) for pk in how.rows(problem)]
    rows = page.get_queryset(request).filter(pk__in=keys)
    does = (act.__doc__ or "").strip().partition("\n\n")[0]
    if not keys:
        messages.warning(request, "None of its failures is left to be tried again.")
        return _page(problem)
    chosen = ChosenRows(how.action, str(label), does, rows, keys, len(keys), resent=False)
    answer: HttpResponse | None = page.ask_or_start(request, chosen)
    if answer is None:
        act(page, request, rows)
    return answer or _page(problem)


def mute(request: HttpRequest, object_id: str) -> HttpResponse:
    """Mute a problem until the moment that the form names, in the time zone of the page."""
    problem = _problem(request, object_id)
    if request.method == "POST":
        now = clock.now()
        try:
            until = parse_datetime(request.POST.get("until", ""))
        except ValueError:
            until = None
        if until is not None and is_naive(until):
            until = make_aware(until)
        if until is None or not now < until <= now + LONGEST:
            messages.error(request, "Name a moment in the future, within a year.")
        else:
            decisions.mute([problem], until, by=operator(request))
            messages.success(request, f"It is muted until {until:%Y-%m-%d %H:%M %Z}.")
    return _page(problem)


def assign(request: HttpRequest, object_id: str) -> HttpResponse:
    """Give a problem to the operator that the form names; to nobody when it names none."""
    problem = _problem(request, object_id)
    if request.method == "POST":
        name = request.POST.get("assignee", "")
        to = User.objects.filter(is_staff=True, is_active=True, username=name).first()
        if name and to is None:
            messages.error(request, "There is no such operator.")
        else:
            decisions.assign([problem], to, by=operator(request))
            messages.success(request, f"{name} has it now." if to else "Nobody has it now.")
    return _page(problem)


def _problem(request: HttpRequest, object_id: str) -> Problem:
    """The problem, for who may decide about it."""
    if not may_decide(request):
        raise PermissionDenied
    return get_object_or_404(Problem, pk=texts.whole(unquote(object_id)))


def _page(problem: Problem) -> HttpResponse:
    return redirect("admin:problems_problem_change", problem.pk)
