"""What does not work for some tenants: tokens, syncs, jobs, and days of quota near their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse

from integrations.console import queries
from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.jobs.models import Run as JobRun
from integrations.quota.pages import spending
from integrations.quota.permits import queries as quota
from integrations.quota.permits.replies import StateReply
from integrations.sync.models import Run

LATELY = timedelta(days=7)
MOST = 1_000  # failed runs that are counted
MOST_QUOTAS = 200  # resources whose day is looked at: those with parked tasks, then the busiest ones of now
SHORT = 0.1  # of the day budget


def credentials_in_need() -> Iterator[Finding]:
    """Credentials that are suspended, expired or need a reconnect."""
    count = queries.credentials_in_need(clock.now()).count()
    if not count:
        yield Finding("credentials", Level.OK, "all tokens are fresh")
        return
    found = f"{count:,} suspended, expired or to be reconnected"
    link = reverse("admin:tokens_credential_changelist") + "?need=yes"
    yield Finding("credentials", Level.FAILED, found, "refresh them, or send their reconnect links", link)


def failing_syncs() -> Iterator[Finding]:
    """Plans whose latest run failed."""
    link = reverse("admin:sync_run_changelist") + "?status__exact=failed"
    yield _failing("syncs", "plan", Run.objects.all(), link)


def failing_jobs() -> Iterator[Finding]:
    """Schedules whose latest run failed."""
    link = reverse("admin:jobs_run_changelist") + "?status__exact=failed"
    yield _failing("job runs", "schedule", JobRun.objects.all(), link)


def _failing(name: str, plan: str, runs: QuerySet[Any], link: str) -> Finding:
    """`plan` is the column of the plan or schedule, of which the latest run counts."""
    failed = runs.filter(status="failed", finished_at__gt=clock.now() - LATELY)
    newer = runs.filter(**{plan: OuterRef(plan)}, pk__gt=OuterRef("pk"))
    count = failed.filter(~Exists(newer)).order_by()[:MOST].count()
    if not count:
        return Finding(name, Level.OK, "the latest run of none failed")
    more = " or more" if count == MOST else ""
    return Finding(name, Level.FAILED, f"the latest run of {count:,}{more} failed", "see why, and run them again", link)


def day_budgets() -> Iterator[Finding]:
    """Resources that have used nine tenths of their day."""
    name, now = "day budgets", clock.now()
    keys = _keys(now)
    try:
        states = quota.states(keys)
    except StoreUnavailable as error:
        yield Finding(name, Level.UNKNOWN, f"not known: {error}", "start Redis, or correct REDIS_URL: calls wait")
        return
    short = [key for key, state in zip(keys, states, strict=True) if state is not None and _is_short(state)]
    if not short:
        yield Finding(name, Level.OK, f"none of {len(keys):,} resources in use is near its end")
        return
    first = short[0]
    found = f"{len(short):,} near their end, such as {first.partition(':')[2]}"
    link = reverse("admin:quota_resource", args=[first])
    yield Finding(name, Level.WARNING, found, "see which job uses the calls, and pause it", link)


def _keys(now: datetime) -> list[str]:
    return list(dict.fromkeys([*spending.resources_waiting(MOST_QUOTAS), *spending.busiest_now(MOST_QUOTAS, now)]))


def _is_short(state: StateReply) -> bool:
    limit, left = state.day_limit, state.day_remaining
    return bool(limit) and left is not None and limit is not None and left < SHORT * limit
