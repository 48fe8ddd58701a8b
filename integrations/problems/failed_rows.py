"""Addresses of what a problem is about: the list of its failed rows, and the page of one of them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from integrations.problems.models import FailureKind, Problem

_NAMES = {
    FailureKind.CALL: "gateway_call",
    FailureKind.EVENT: "webhooks_event",
    FailureKind.SYNC: "sync_run",
    FailureKind.JOB: "jobs_run",
    FailureKind.JOB_EVENT: "jobs_trigger",
    FailureKind.CREDENTIAL: "tokens_credential",
    FailureKind.OUTBOX: "outbox_tenantoutbox",
    FailureKind.ENTRY: "outbox_entry",
    FailureKind.WRITE: "jobs_write",
    FailureKind.EXPORT: "exports_export",
    FailureKind.UPSERT: "upserts_upsert",
    FailureKind.UPSERT_ROW: "upserts_upsertrow",
}

# The lists that can be filtered by app, and the path to it.
_APPS = {
    FailureKind.CALL: "app",
    FailureKind.EVENT: "app",
    FailureKind.JOB: "schedule__app",
    FailureKind.CREDENTIAL: "app",
    FailureKind.EXPORT: "app",
    FailureKind.UPSERT: "app",
}


def list_url(problem: Problem) -> str:
    """The list of the rows that fail with the problem's subject and code; empty when no such page is registered."""
    chosen = {name: value for name, value in (_chosen(problem) | _of_app(problem)).items() if value}
    return _url("changelist", problem, query=urlencode(chosen))


def row_url(problem: Problem, row: int) -> str:
    """The page of one failed row; of an outbox's run, which has none, empty."""
    return "" if problem.kind == FailureKind.OUTBOX else _url("change", problem, row)


def _chosen(problem: Problem) -> dict[str, str]:
    """The filters of the list."""
    subject, code = problem.subject, problem.code
    by_kind = {
        FailureKind.CALL: {"operation": subject, "code": code, "status": str(problem.status or "")},
        FailureKind.EVENT: {"status__exact": "poisoned", "type": subject, "error_code__exact": code},
        FailureKind.SYNC: {"status__exact": "failed", "plan__resource": subject, "error_code": code},
        FailureKind.JOB: {"status__exact": "failed", "schedule__job": subject, "error_code": code},
        FailureKind.JOB_EVENT: {"schedule__job": subject, "error_code": code},
        FailureKind.CREDENTIAL: {"last_error_code__exact": code},
        FailureKind.ENTRY: {"operation": subject, "error_code__exact": "" if code == "conflict" else code},
        FailureKind.WRITE: {"state__exact": "unknown", "operation": subject},
        FailureKind.EXPORT: {"form__exact": subject},
        FailureKind.UPSERT: {"operation": subject},
        FailureKind.UPSERT_ROW: {"state__exact": "unknown"},
    }
    return by_kind.get(FailureKind(problem.kind), {})


def _of_app(problem: Problem) -> dict[str, str]:
    """The filter by the problem's app, on the lists that have one."""
    path = _APPS.get(FailureKind(problem.kind))
    return {f"{path}__id__exact": str(problem.app_id)} if path and problem.app_id else {}


def _url(page: str, problem: Problem, *arguments: object, query: str = "") -> str:
    try:
        address = reverse(f"admin:{_NAMES[FailureKind(problem.kind)]}_{page}", args=arguments)
    except NoReverseMatch:
        return ""
    return f"{address}?{query}" if query else address
