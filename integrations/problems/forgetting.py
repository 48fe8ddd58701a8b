"""Retention of problems: those go that were not seen for long, and the least recent ones of too many."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from integrations.problems.models import Problem

KEPT, FIXED_KEPT = timedelta(days=90), timedelta(days=30)  # since a problem was last seen
MOST = 10_000  # problems; each has at most one row per tenant


def tidy(now: datetime) -> int:
    """Delete old problems; how many."""
    old = Q(last_seen__lt=now - KEPT) | Q(last_seen__lt=now - FIXED_KEPT, fixed_at__isnull=False)
    ids = list(Problem.objects.filter(old).values_list("pk", flat=True))
    ids += Problem.objects.exclude(pk__in=ids).order_by("-last_seen", "-pk").values_list("pk", flat=True)[MOST:]
    Problem.objects.filter(pk__in=ids).delete()
    return len(ids)
