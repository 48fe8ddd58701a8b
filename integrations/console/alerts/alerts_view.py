"""The page of alerts: where they go and when, what lasts now, a test of every channel, and muting.

Channels and times are variables of the environment, and addresses with secrets are not shown: of a webhook the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.console.alerts import alert_channels, watch
from integrations.console.doctor.findings import Level
from integrations.console.models import OperatorAlert
from integrations.core import clock, masking, texts
from integrations.core.admin import operator
from integrations.core.ages import span
from integrations.core.models import AuditEntry

VIEW, ACT = "operators.view_metrics", "console.change_operatoralert"
HOURS = {"1": "for an hour", "8": "for 8 hours", "24": "for a day", "168": "for a week"}
_TONES = {"failed": "bad", "warning": "warn", "unknown": "unknown"}
_NAMES = {"failed": "Trouble", "warning": "Warning", "unknown": "Not known"}


@dataclass(frozen=True, slots=True)
class Destination:
    """A place where alerts go: in words, and the variables that set it. `to` is empty where it is not set."""

    name: str
    to: str
    variables: tuple[str, ...]


def show(request: HttpRequest) -> HttpResponse:
    """The page; POST with the name of an action does it. Raises PermissionDenied without the permission for it."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request)
    now = clock.now()
    lasting = OperatorAlert.objects.exclude(level=Level.OK)
    context = {
        **admin.site.each_context(request),
        "title": "Alerts",
        "channels": alert_channels.configured(),
        "destinations": _destinations(masked=masking.applies(request)),
        "rules": _rules(),
        "rows": [(row, _TONES[row.level], _NAMES[row.level], _is_muted(row, now)) for row in lasting],
        "last_test": _last_test() if request.user.has_perm("core.view_auditentry") else None,
        "hours": HOURS,
        "may_act": request.user.has_perm(ACT),
        "now": now,
    }
    return TemplateResponse(request, "admin/alerts.html", context)


def _last_test() -> AuditEntry | None:
    return AuditEntry.objects.filter(action=alert_channels.TESTED).order_by("-number").first()


def _is_muted(row: OperatorAlert, now: datetime) -> bool:
    return row.muted_until is not None and row.muted_until > now


def _destinations(*, masked: bool) -> list[Destination]:
    hook, signed = settings.ALERT_WEBHOOK_URL, bool(settings.ALERT_WEBHOOK_SECRET)
    emails = ", ".join(settings.ALERT_EMAILS)
    how = "signed, in the form that Slack takes" if signed else "in the form that Slack takes, not signed"
    ping = settings.ALERT_PING_URL
    return [
        Destination("E-mail", masking.text(emails) if masked else emails, ("ALERT_EMAILS", "ALERT_SMTP_URL")),
        Destination(
            "Webhook",
            f"{urlsplit(hook).hostname}, {how}" if hook else "",
            ("ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET"),
        ),
        Destination("Sign of life", f"{urlsplit(ping).hostname}, each minute" if ping else "", ("ALERT_PING_URL",)),
    ]


def _rules() -> list[tuple[str, str, str]]:
    """What decides when an alert is sent: the question, the answer, and the variable."""
    quiet = settings.ALERT_QUIET_HOURS
    return [
        ("What is sent", "trouble and warnings" if settings.ALERT_WARNINGS else "trouble alone", "ALERT_WARNINGS"),
        ("How long it has to last", span(60 * settings.ALERT_AFTER_MINUTES), "ALERT_AFTER_MINUTES"),
        ("Again while it lasts", f"every {span(3600 * settings.ALERT_REPEAT_HOURS)}", "ALERT_REPEAT_HOURS"),
        (
            "Quiet hours",
            f"{quiet[0]} to {quiet[1]} o’clock UTC: trouble alone" if quiet else "none",
            "ALERT_QUIET_HOURS",
        ),
    ]


def _act(request: HttpRequest) -> HttpResponse:
    act = _ACTIONS.get(request.POST.get("action", ""))
    if act is None or not request.user.has_perm(ACT):
        raise PermissionDenied
    act(request)
    return redirect(reverse("admin:core_workerprocess_alerts"))


def _test(request: HttpRequest) -> None:
    """Send to every channel, and say of each what came of it."""
    outcomes = alert_channels.test(actor=operator(request))
    for name, trouble in outcomes.items():
        if trouble:
            messages.error(request, f"{name} did not take the test: {trouble}")
        else:
            messages.success(request, f"{name} took the test.")
    if not outcomes:
        messages.warning(request, "No channel is set, so nothing was sent.")


def _mute(request: HttpRequest) -> None:
    hours = request.POST.get("hours", "")
    if hours not in HOURS:
        messages.error(request, "Nothing was changed: choose for how long.")
        return
    _set(request, timedelta(hours=int(hours)), f"Nobody is told of it {HOURS[hours]}.")


def _unmute(request: HttpRequest) -> None:
    _set(request, None, "It is told again.")


def _set(request: HttpRequest, time: timedelta | None, done: str) -> None:
    number = texts.whole(request.POST.get("alert", ""))
    until = None if time is None else clock.now() + time
    if number is not None and watch.mute(number, until, actor=operator(request)):
        messages.success(request, done)
    else:
        messages.warning(request, "This alert is over.")


_ACTIONS: dict[str, Callable[[HttpRequest], None]] = {"test": _test, "mute": _mute, "unmute": _unmute}
