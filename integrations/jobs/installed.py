"""Queries for the tenants where jobs may run: those on which the app is installed."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import Schedule
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.models import Credential


def is_installed(schedule: Schedule) -> bool:
    """Whether the app is installed on the tenant of the schedule."""
    return installations(schedule.level, app=schedule.app, tenant_id=schedule.tenant_id).exists()


def installations(level: str, *, app: App | None = None, tenant_id: str | None = None) -> QuerySet[Installation]:
    """Installations of one level, narrowed to `app` and `tenant_id` where these are given."""
    found = Installation.objects.installed().filter(user_type=level)
    if app is not None:
        found = found.filter(app=app)
    return found if tenant_id is None else found.filter(resource_id=tenant_id)


def may_run(prefix: str = "") -> Q:
    """Condition that the job may run for the schedule at `prefix` (such as `schedule__`).

    The tenant has an installation, or the job is one for tenants whose installation ended.
    """
    after_uninstall = [job.name for job in JOBS.values() if job.runs_after_uninstall]
    return Q(**{f"{prefix}job__in": after_uninstall}) | Q(_is_installed(prefix))


def lacks_scopes(prefix: str = "") -> Q:
    """Condition that the grant of the schedule's tenant lacks a scope that its job needs."""
    found = Q(pk=None)
    for job in JOBS.values():
        if job.scopes:
            found |= Q(**{f"{prefix}job": job.name}) & Q(Exists(_grants_lacking(job, prefix)))
    return found


def _grants_lacking(job: Job, prefix: str) -> QuerySet[Credential]:
    mine = Credential.objects.filter(
        app=OuterRef(f"{prefix}app"),
        user_type=job.level,
        resource_id=OuterRef(f"{prefix}tenant_id"),
        api=Credential.Api.TWO,
    )
    return scope_gaps.lacking_some(mine, job.scopes)


def _is_installed(prefix: str) -> Exists:
    return Exists(
        Installation.objects.installed().filter(
            app=OuterRef(f"{prefix}app"),
            user_type=OuterRef(f"{prefix}level"),
            resource_id=OuterRef(f"{prefix}tenant_id"),
        )
    )
