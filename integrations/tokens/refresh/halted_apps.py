"""Probes of halted apps: every five minutes one credential is refreshed, to find out whether the app may resume.

An app is halted when the vendor refuses its client id or secret. The vendor uses the same words for a wrong client and
for a revoked grant (FACTS 1.5), so a credential that met them before proves nothing. The probe therefore uses a
credential that has not met them, due or not: if its refresh succeeds, the client was right all along. Only when every
credential of the app has met them does one of those probe.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from integrations.core.errors import ClientRejected
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens.models import Credential

# Two credentials refused within this time mean a wrong secret, one means a revoked grant; longer than their retry.
_A_WHILE = timedelta(hours=2)
_MET_IT = Q(last_error_code=ClientRejected.code)


def due(now: datetime) -> list[int]:
    """The credentials that probe now, one for each app whose probe is due. A second call finds none."""
    return [pk for app in App.objects.filter(halted_at__lte=now - marketplace.PROBE_EVERY) if (pk := _sent(app, now))]


def is_the_clients(row: Credential, now: datetime) -> bool:
    """Whether an ambiguous refusal of `row` means that our client id or secret is wrong.

    It does when it is the first for `row`, another grant of the app met one recently, and none was refreshed since.
    """
    if row.last_error_code == ClientRejected.code:
        return False
    same_app = Credential.objects.filter(app=row.app_id).exclude(pk=row.pk)
    refused = same_app.filter(_MET_IT, last_error_at__gte=now - _A_WHILE)
    last = refused.order_by("-last_error_at").values_list("last_error_at", flat=True).first()
    if last is None:
        return False
    working = same_app.filter(state=Credential.State.ACTIVE, kind=Credential.Kind.OAUTH, refreshed_at__gt=last)
    return not working.exists()


def _sent(app: App, now: datetime) -> int | None:
    """The credential that probes for the app. Restarts the halt, so that only the first caller gets one."""
    chosen = _likeliest(app)
    if chosen is None or not App.objects.filter(pk=app.pk, halted_at=app.halted_at).update(halted_at=now):
        return None
    return chosen


def _likeliest(app: App) -> int | None:
    active = Credential.objects.filter(app=app, kind=Credential.Kind.OAUTH, state=Credential.State.ACTIVE)
    able = active.filter(lease_until=None).exclude(refresh_sealed=None)
    never_met = able.exclude(_MET_IT).order_by("failures", "refresh_due_at").values_list("pk", flat=True)
    longest_ago = able.filter(_MET_IT).order_by("last_error_at").values_list("pk", flat=True)
    return never_met.first() or longest_ago.first()
