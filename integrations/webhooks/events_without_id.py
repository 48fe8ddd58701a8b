"""Derives a webhook id for lifecycle events without one (FACTS 3.4): a retry gets the id of the first attempt.

Two uninstalls of one location are the same bytes when they carry neither `webhookId` nor `timestamp`. What lies between
them tells them apart: another lifecycle event of the tenant, or another state of its installation (the callback or the
vendor's list may have brought a new one whose INSTALL was lost). With neither in between, the second is a retry, or it
says nothing new.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.core.tenant import UserType
from integrations.tenants.models import Installation
from integrations.webhooks.envelope import Envelope
from integrations.webhooks.models import Event

LIFECYCLE = ("INSTALL", "UNINSTALL", "UPDATE", "PLAN_CHANGE")


def identify(event: Envelope) -> Envelope:
    """The envelope, with another id if it is a lifecycle event without one of the vendor's."""
    if not event.unnamed or event.type not in LIFECYCLE:
        return event
    bytes_only, _, _ = event.webhook_id.rpartition(":")
    others = Event.objects.filter(mailbox__tenant=event.tenant, type__in=LIFECYCLE)
    others = others.exclude(webhook_id__startswith=bytes_only)
    last = others.order_by("-id").values_list("id", flat=True).first() or 0
    return replace(event, webhook_id=f"{bytes_only}:{last}:{_state(event.tenant)}"[:100])


def _state(mailbox_key: str) -> str:
    """The state of the tenant's installation in a few characters: generation, and whether it is there."""
    kind, _, tenant_id = mailbox_key.partition(":")
    user_type = UserType.LOCATION if kind == "location" else UserType.COMPANY
    rows = Installation.objects.filter(user_type=user_type, resource_id=tenant_id).order_by("-generation")
    row = rows.values_list("generation", "status").first()
    return "none" if row is None else f"{row[0]}{'-' if row[1] == Installation.Status.UNINSTALLED else '+'}"
