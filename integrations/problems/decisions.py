"""What an operator decides about problems. Each decision is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from integrations.core import audit
from integrations.problems.models import Problem


def fix(problems: Iterable[Problem], now: datetime, *, by: str) -> int:
    """Call them fixed; how many were not. A failure after `now` opens a problem again."""
    return _decide("fixed", problems, by, lambda pk: _change(pk, fixed_at=None, to={"fixed_at": now, "fixed_by": by}))


def reopen(problems: Iterable[Problem], now: datetime, *, by: str) -> int:
    """They are not fixed after all, and no longer muted; how many were either."""
    to = {"fixed_at": None, "fixed_by": "", "muted_until": None, "opened_at": now}
    changed = [problem for problem in problems if problem.fixed_at or problem.muted_until]
    return _decide("reopened", changed, by, lambda pk: _change(pk, to=to))


def mute(problems: Iterable[Problem], until: datetime, *, by: str) -> int:
    """Send no alert of them until then; how many."""
    words = f"{until:%Y-%m-%d %H:%M} UTC"
    return _decide("muted", problems, by, lambda pk: _change(pk, to={"muted_until": until}), until=words)


def assign(problems: Iterable[Problem], to: User | None, *, by: str) -> int:
    """Give them to an operator, or with None to nobody; how many."""
    name = to.get_username() if to else ""
    return _decide("assigned", problems, by, lambda pk: _change(pk, to={"assignee": to}), assignee=name)


def _decide(what: str, problems: Iterable[Problem], by: str, act: Callable[[int], bool], **detail: Any) -> int:
    done = 0
    for problem in problems:
        with transaction.atomic():
            if act(problem.pk):
                done += 1
                subject = f"problem {problem.pk}"
                audit.record(
                    f"problem.{what}", actor=by, subject=subject, kind=problem.kind, of=problem.subject, **detail
                )
    return done


def _change(pk: int, *, to: dict[str, Any], **where: Any) -> bool:
    return bool(Problem.objects.filter(pk=pk, **where).update(**to))
