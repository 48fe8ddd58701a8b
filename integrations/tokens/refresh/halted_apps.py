"""Probes of halted apps: every five minutes one credential is refreshed, to find out whether the app may resume.

An app is halted when the vendor refuses its client id or secret. The vendor uses the same words for a wrong client and
for a revoked grant (FACTS 1.5), so a credential that got them before proves nothing. The probe therefore uses a
credential that has not got them, due or not: if its refresh succeeds, the client is right. Only when every credential
of the app has got them does one of those probe.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from integrations.core.errors import ClientRejected
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens.models import Credential

# Two credentials refused within this time mean a wrong secret, one means a revoked grant; longer than their retry.
_RECENTLY = timedelta(hours=2)
_REFUSED_CLIENT = Q(last_error_code=ClientRejected.code)


def due(now: datetime) -> list[int]:
    """The credentials that probe now, one for each app whose probe is due. A second call finds none."""
    return [pk for app in App.objects.filter(halted_at__lte=now - marketplace.PROBE_EVERY) if (pk := _choose(app, now))]


def means_wrong_client(row: Credential, now: datetime) -> bool:
    """Whether an ambiguous refusal of `row` means that our client id or secret is wrong.

    It does when it is the first for `row`, another grant of the app met one recently, and none was refreshed since.
    """
    if row.last_error_code == ClientRejected.code:
        return False
    same_app = Credential.objects.filter(app=row.app_id).exclude(pk=row.pk)
    refused = same_app.filter(_REFUSED_CLIENT, last_error_at__gte=now - _RECENTLY)
    last = refused.order_by("-last_error_at").values_list("last_error_at", flat=True).first()
    if last is None:
        return False
    working = same_app.filter(state=Credential.State.ACTIVE, kind=Credential.Kind.OAUTH, refreshed_at__gt=last)
    return not working.exists()


def _choose(app: App, now: datetime) -> int | None:
    """The credential that probes for the app. Restarts the halt, so that only the first caller gets one."""
    chosen = _best_probe(app)
    if chosen is None or not App.objects.filter(pk=app.pk, halted_at=app.halted_at).update(halted_at=now):
        return None
    return chosen


def _best_probe(app: App) -> int | None:
    active = Credential.objects.filter(app=app, kind=Credential.Kind.OAUTH, state=Credential.State.ACTIVE)
    able = active.filter(lease_until=None).exclude(refresh_sealed=None)
    not_refused = able.exclude(_REFUSED_CLIENT).order_by("failures", "refresh_due_at").values_list("pk", flat=True)
    refused = able.filter(_REFUSED_CLIENT).order_by("last_error_at").values_list("pk", flat=True)
    return not_refused.first() or refused.first()
