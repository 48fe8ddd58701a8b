"""The checks that the dashboard and `doctor` share: is this deployment at work, and what needs an operator?

A check is a function that yields findings. It reads rows through indexes and asks no worker, so a page can run all of
them. A check that cannot find out yields `Level.UNKNOWN`: only what was proven is called good. `doctor` has further
checks, of the configuration and of the services, and asks workers and beat themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.db import DatabaseError
from django.urls import reverse

from integrations.console.doctor.audit_check import audit_trail
from integrations.console.doctor.decision_checks import held_entries, unknown_upserts
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.heartbeat_checks import beat_heartbeat, worker_heartbeats
from integrations.console.doctor.job_check import background_jobs
from integrations.console.doctor.permission_check import permissions_and_versions
from integrations.console.doctor.problem_check import new_problems
from integrations.console.doctor.row_mac_check import signed_rows
from integrations.console.doctor.silence_check import webhook_silence
from integrations.console.doctor.spool_check import spool, spool_disk
from integrations.console.doctor.standing_checks import apps, backlog, installations, vault
from integrations.console.doctor.tenant_checks import credentials_in_need, day_budgets, failing_jobs, failing_syncs
from integrations.console.doctor.waiting_checks import expired_rows, parked_work, waiting_events
from integrations.console.doctor.webhook_check import first_webhooks, module_deliveries, webhook_answers
from integrations.core.errors import IntegrationError

Check = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """A check, the permission that an operator needs to see its findings, and the page where they are cured: the name
    of its URL, with the part of the page behind `#`. A finding may name a page that is nearer to the cure.
    """

    run: Check
    permission: str
    page: str

    def findings(self) -> list[Finding]:
        """What the check finds, each with a link."""
        return [one if one.link else replace(one, link=self._link()) for one in guarded(self.run)]

    def _link(self) -> str:
        name, mark, part = self.page.partition("#")
        return f"{reverse(f'admin:{name}')}{mark}{part}"


_WORKERS, _KEPT = "core_workerprocess_changelist", "core_workerprocess_safekeeping"
HEARTBEATS = (  # `doctor` asks workers and beat instead
    LiveCheck(worker_heartbeats, "operators.view_metrics", _WORKERS),
    LiveCheck(beat_heartbeat, "operators.view_metrics", _WORKERS),
)
CHECKS = (
    LiveCheck(waiting_events, "webhooks.view_event", "webhooks_event_changelist"),
    LiveCheck(credentials_in_need, "tokens.view_credential", "tokens_credential_changelist"),
    LiveCheck(failing_syncs, "sync.view_run", "sync_run_changelist"),
    LiveCheck(failing_jobs, "jobs.view_run", "jobs_run_changelist"),
    LiveCheck(background_jobs, "jobs.view_run", "jobs_run_changelist"),
    LiveCheck(held_entries, "outbox.view_entry", "outbox_entry_changelist"),
    LiveCheck(unknown_upserts, "upserts.view_upsertrow", "upserts_upsertrow_changelist"),
    LiveCheck(new_problems, "problems.view_problem", "problems_problem_changelist"),
    LiveCheck(backlog, "operators.view_metrics", _WORKERS),
    LiveCheck(webhook_answers, "webhooks.view_answers", "webhooks_answers_changelist"),
    LiveCheck(first_webhooks, "webhooks.view_answers", "webhooks_answers_changelist"),
    LiveCheck(webhook_silence, "webhooks.view_event", "webhooks_event_changelist"),
    LiveCheck(module_deliveries, "webhooks.view_event", "webhooks_event_changelist"),
    LiveCheck(day_budgets, "quota.view_usage", "quota_usage_changelist"),
    LiveCheck(parked_work, "quota.view_parked", "quota_parked_changelist"),
    LiveCheck(expired_rows, "operators.view_metrics", _WORKERS),
    # Before the apps, whose secrets the environment seals anew.
    LiveCheck(vault, "operators.view_metrics", f"{_KEPT}#vault"),
    LiveCheck(signed_rows, "operators.view_metrics", f"{_KEPT}#vault"),
    LiveCheck(apps, "tenants.view_app", "tenants_app_changelist"),
    LiveCheck(installations, "tenants.view_installation", "tenants_installation_changelist"),
    LiveCheck(permissions_and_versions, "tenants.view_appversion", "tenants_appversion_changelist"),
    LiveCheck(spool, "operators.view_metrics", f"{_KEPT}#spool"),
    LiveCheck(spool_disk, "operators.view_metrics", f"{_KEPT}#spool"),
    LiveCheck(audit_trail, "core.view_auditentry", f"{_KEPT}#audit"),
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
