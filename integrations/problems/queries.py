"""Queries of problems for pages and commands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from integrations.problems.models import AffectedTenant, FailureKind, Problem

RECENT = timedelta(days=1)
# A failure or two at one tenant may be nothing; what is more often or at several tenants has a cause. Calls fail now
# and then, and are repeated; what fails because of them is a problem of its own.
OFTEN, WIDE, MANY_CALLS = 5, 2, 25
STATES = ("open", "muted", "fixed")


def in_state(state: str, now: datetime) -> QuerySet[Problem]:
    """Problems that are open, muted or fixed; all of them for another word."""
    chosen = {"open": lambda: Problem.objects.open(now), "muted": lambda: Problem.objects.muted(now)}
    chosen |= {"fixed": Problem.objects.fixed}
    return chosen.get(state, Problem.objects.all)()


def state_of(problem: Problem, now: datetime) -> str:
    """Whether it is open, muted or fixed."""
    if problem.fixed_at is not None:
        return "fixed"
    return "muted" if problem.muted_until is not None and problem.muted_until > now else "open"


def new(now: datetime) -> QuerySet[Problem]:
    """Open problems that began or came back within a day, that no operator has taken, the widest first."""
    of_calls = Q(kind=FailureKind.CALL)
    loud = (of_calls & Q(count__gte=MANY_CALLS)) | (~of_calls & (Q(count__gte=OFTEN) | Q(tenants__gte=WIDE)))
    found = Problem.objects.open(now).filter(loud, opened_at__gt=now - RECENT)
    return found.filter(assignee=None).order_by("-tenants", "-count", "pk")


def by_kind(problems: QuerySet[Problem]) -> dict[str, int]:
    """How many of the problems there are of each kind (`FailureKind`); a kind without any is left out."""
    return dict(problems.order_by().values_list("kind").annotate(Count("pk")))


def of_tenant(tenant_id: str, now: datetime, limit: int, *, app_id: int | None = None) -> list[AffectedTenant]:
    """The open problems of a tenant, the latest first; with `app_id` only those that this app is known to have."""
    mine = AffectedTenant.objects.filter(tenant_id=tenant_id, problem__in=Problem.objects.open(now))
    if app_id is not None:
        mine = mine.filter(problem__app=app_id)
    return list(mine.select_related("problem").order_by("-last_seen")[:limit])


def trace_ids(problem: Problem, limit: int) -> list[str]:
    """Trace ids of the latest failures of different tenants, each once."""
    found = problem.affected.exclude(trace_id="").order_by("-last_seen").values_list("trace_id", flat=True)
    return list(dict.fromkeys(found[:limit]))


def as_json(problems: Iterable[Problem], now: datetime, *, shown: int = 10) -> list[dict[str, Any]]:
    """Problems as `manage.py problems --json` prints them, each with its latest `shown` tenants and trace ids."""
    return [
        {
            "id": problem.pk,
            "app": problem.app.name if problem.app else None,
            "kind": problem.kind,
            "subject": problem.subject,
            "code": problem.code,
            "status": problem.status,
            "words": problem.words,
            "count": problem.count,
            "tenants": problem.tenants,
            "latest_tenants": list(problem.affected.order_by("-last_seen").values_list("tenant_id", flat=True)[:shown]),
            "trace_ids": trace_ids(problem, shown),
            "first_seen": problem.first_seen.isoformat(),
            "last_seen": problem.last_seen.isoformat(),
            "state": state_of(problem, now),
            "reopened": problem.reopened,
            "muted_until": problem.muted_until.isoformat() if problem.muted_until else None,
            "assignee": problem.assignee.get_username() if problem.assignee else None,
        }
        for problem in problems
    ]
