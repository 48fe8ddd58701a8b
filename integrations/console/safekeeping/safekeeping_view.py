"""The page of the vault's keys, the spool and the audit trail, with the actions that cure their alarms.

The spool on disk is that of the machine whose web process answers; entries in Redis are those of all machines.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.console.doctor import live_checks
from integrations.console.doctor.audit_check import audit_trail
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.row_mac_check import signed_rows
from integrations.console.doctor.spool_check import spool as spool_check
from integrations.console.doctor.spool_check import spool_disk
from integrations.console.doctor.standing_checks import vault as vault_check
from integrations.core import audit, clock
from integrations.core.admin import operator
from integrations.core.audit import exported_heads
from integrations.core.celery_tasks import enqueue
from integrations.core.errors import IntegrationError
from integrations.core.models import AuditHeadExport
from integrations.tokens.spool import inspection, spool
from integrations.tokens.spool.spool import COMMITTED
from integrations.vault import status as vault_status

VIEW = "operators.view_metrics"
TONES = {Level.FAILED: "bad", Level.WARNING: "warn", Level.UNKNOWN: "unknown", Level.OK: "good"}
MOST = 100  # entries of the spool that are shown, and tried at one click


def show(request: HttpRequest) -> HttpResponse:
    """The page; POST with the name of an action does it. Raises PermissionDenied without the permission for it."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request)
    may = request.user.has_perm
    report = inspection.look()
    context = {
        **admin.site.each_context(request),
        "title": "Keys, spool and audit trail",
        "signs": _signs(request),
        "vault": vault_status.examine(),
        "entries": report.entries[:MOST],
        "more": max(0, len(report.entries) - MOST),
        "away": report.away,
        "head": exported_heads.current(),
        "exported": AuditHeadExport.objects.first(),
        "may": {name: may(permission) for name, (permission, _) in _ACTIONS.items()},
        "may_audit": may("core.view_auditentry"),
        "now": clock.now(),
    }
    return TemplateResponse(request, "admin/safekeeping.html", context)


def _signs(request: HttpRequest) -> dict[str, list[tuple[Finding, str]]]:
    """What the dashboard's checks find, for each part of the page."""
    checks = {"vault": [vault_check, signed_rows], "spool": [spool_check, spool_disk], "audit": [audit_trail]}
    return {
        part: [(one, TONES[one.level]) for check in found for one in live_checks.guarded(check)]
        for part, found in checks.items()
    }


def _act(request: HttpRequest) -> HttpResponse:
    permission, act = _ACTIONS.get(request.POST.get("action", ""), ("", None))
    if act is None or not request.user.has_perm(permission):
        raise PermissionDenied
    try:
        messages.success(request, act(request))
    except IntegrationError as error:
        messages.error(request, str(error))
    return redirect(reverse("admin:core_workerprocess_safekeeping"))


def _rotate(request: HttpRequest) -> str:
    newest = vault_status.examine().newest
    audit.record("vault.rotation_requested", actor=operator(request), subject=f"key:{newest}")
    enqueue("vault.rotate")
    return f"A worker re-seals all values under {newest!r}. This page shows how many are left."


def _retry(request: HttpRequest) -> str:
    names = [entry.name for entry in inspection.look().entries][:MOST]
    results = spool.retry(names)
    left = sum(end != COMMITTED for end in results.values())
    audit.record("spool.retried", actor=operator(request), subject="spool", tried=len(results), left=left)
    why = next((end for end in results.values() if end != COMMITTED), "")
    return f"{len(results) - left} entries committed, {left} left" + (f": {why}." if why else ".")


def _drop(request: HttpRequest) -> str:
    name = request.POST.get("name", "")
    if request.POST.get("confirm", "").strip() != name:
        return "Nothing was changed: the name that you entered is another one."
    inspection.drop(name, actor=operator(request))
    return f"{name} was deleted."


_ACTIONS: dict[str, tuple[str, Callable[[HttpRequest], str]]] = {
    "rotate": ("tenants.change_app", _rotate),
    "retry": ("tokens.change_credential", _retry),
    "drop": ("tokens.delete_credential", _drop),
}
