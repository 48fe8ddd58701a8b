"""The checks that the dashboard and `doctor` share: is this deployment at work, and what needs an operator?

A check is a function that yields findings. It reads rows through indexes and asks no worker, so a page can run all of
them. A check that cannot find out yields `Level.UNKNOWN`: only what was proven is called good. `doctor` has further
checks, of the configuration and of the services, and asks workers and beat themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import DatabaseError

from integrations.console.doctor.audit_check import audit_trail
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.heartbeat_checks import beat_heartbeat, worker_heartbeats
from integrations.console.doctor.job_check import background_jobs
from integrations.console.doctor.permission_check import permissions_and_versions
from integrations.console.doctor.problem_check import new_problems
from integrations.console.doctor.spool_check import spool, spool_disk
from integrations.console.doctor.standing_checks import apps, backlog, installations, vault
from integrations.console.doctor.tenant_checks import credentials_in_need, day_budgets, failing_jobs, failing_syncs
from integrations.console.doctor.waiting_checks import parked_work, waiting_events
from integrations.console.doctor.webhook_check import webhook_answers
from integrations.core.errors import IntegrationError

Check = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """A check, and the permission that an operator needs to see its findings."""

    run: Check
    permission: str


HEARTBEATS = (  # `doctor` asks workers and beat instead
    LiveCheck(worker_heartbeats, "operators.view_metrics"),
    LiveCheck(beat_heartbeat, "operators.view_metrics"),
)
CHECKS = (
    LiveCheck(waiting_events, "webhooks.view_event"),
    LiveCheck(credentials_in_need, "tokens.view_credential"),
    LiveCheck(failing_syncs, "sync.view_run"),
    LiveCheck(failing_jobs, "jobs.view_run"),
    LiveCheck(background_jobs, "jobs.view_run"),
    LiveCheck(new_problems, "problems.view_problem"),
    LiveCheck(backlog, "operators.view_metrics"),
    LiveCheck(webhook_answers, "webhooks.view_answers"),
    LiveCheck(day_budgets, "quota.view_usage"),
    LiveCheck(parked_work, "quota.view_parked"),
    LiveCheck(vault, "operators.view_metrics"),  # before the apps, whose secrets the environment seals anew
    LiveCheck(apps, "tenants.view_app"),
    LiveCheck(installations, "tenants.view_installation"),
    LiveCheck(permissions_and_versions, "tenants.view_appversion"),
    LiveCheck(spool, "operators.view_metrics"),
    LiveCheck(spool_disk, "operators.view_metrics"),
    LiveCheck(audit_trail, "core.view_auditentry"),
)


def guarded(check: Check) -> list[Finding]:
    """The findings of a check; an expected exception becomes one."""
    name = check.__name__.replace("_", " ")
    try:
        return list(check())
    except IntegrationError as error:
        return [Finding(name, Level.FAILED, "the check failed", str(error))]
    except DatabaseError as error:
        fix = "check that the database answers, and run manage.py migrate"
        return [Finding(name, Level.FAILED, type(error).__name__, fix)]
