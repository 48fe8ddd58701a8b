"""Asks the vendor once who installed the app (FACTS 1.9), where the grant has the scope for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import Permanent
from integrations.gateway import client as gateway
from integrations.installs import details
from integrations.quota.permits.lanes import Lane
from integrations.tenants import agency_plan, history
from integrations.tenants.models import Installation
from integrations.tokens import scope_gaps

OPERATION = "marketplace.get-installer-details"
# What is kept: the vendor's name of each field, and the longest text.
_KEPT = {"companyEmail": 254, "companyOwnerFullName": 200, "companyPlan": 64, "relationshipNumber": 40}
log = structlog.get_logger(__name__)


def learn(row: Installation) -> None:
    """Keep what the vendor says of the installer, once an installation. A refusal is only logged."""
    if row.installer_asked_at is not None or agency_plan.ASKED_WITH not in scope_gaps.granted(row.app, row.tenant):
        return
    began, ids = clock.now(), {row.tenant.kind: row.resource_id}
    try:
        answer = gateway.call(
            OPERATION,
            app=row.app,
            company=ids.get("company"),
            location=ids.get("location"),
            params={"appId": row.app.highlevel_id},
            lane=Lane.EVENTS,
        ).json
    except Permanent as error:
        log.info("installs.installer_unknown", resource=row.resource_id, code=error.code)
        answer = None
    found = answer.get("installationDetails") if isinstance(answer, dict) else None
    _keep(row, found if isinstance(found, dict) else {}, began)


def _keep(row: Installation, found: dict[str, Any], began: datetime) -> None:
    kept = {name: details.text(found, name, longest) for name, longest in _KEPT.items()}
    said = details.of_event(found)
    columns = {name: said[name] for name in ("white_label", "white_label_domain", "white_label_logo", "installer_id")}
    with transaction.atomic():
        fresh = Installation.objects.select_for_update(no_key=True).not_uninstalled().filter(pk=row.pk).first()
        if fresh is None:
            return
        before = details.describe(fresh, columns, at=began)
        fresh.installer, fresh.installer_asked_at = {name: text for name, text in kept.items() if text}, began
        fresh.save(update_fields=[*before, *details.TIMES, "installer", "installer_asked_at"])
        history.add(*details.changes(fresh, before, at=began))
