"""Derives a webhook id for events without one (FACTS 3.4): a retry gets the id of the first attempt.

Lifecycle events and deliveries of modules can have the same bytes twice and be two events all the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from integrations.core.tenant import UserType
from integrations.tenants.models import Installation
from integrations.webhooks.envelope import Envelope
from integrations.webhooks.models import Event
from integrations.webhooks.module_deliveries import PROVIDER_MESSAGE, TYPES, kind_of

LIFECYCLE = ("INSTALL", "UNINSTALL", "UPDATE", "PLAN_CHANGE")
# A workflow may act twice on the same contact, and no delivery names its execution (FACTS 14): the same bytes within
# this time are a retry, and later ones are another execution.
RETRIED_WITHIN = timedelta(minutes=1)
_REPEATED = TYPES - {PROVIDER_MESSAGE}  # a message has an id, so its bytes are one message


def identify(event: Envelope, received_at: datetime) -> Envelope:
    """The envelope, with another id if it has none of the vendor's and its bytes do not tell it apart."""
    if not event.unnamed:
        return event
    bytes_only, _, _ = event.webhook_id.rpartition(":")
    if kind_of(event.type) in _REPEATED:
        return replace(event, webhook_id=_id_of_delivery(bytes_only, event.tenant, received_at))
    return _lifecycle(event, bytes_only) if event.type in LIFECYCLE else event


def _id_of_delivery(bytes_only: str, tenant: str, received_at: datetime) -> str:
    """The id of the same bytes within the last minute, else a new one. Minutes in the id stop two that come at once."""
    minute = int(received_at.timestamp() // RETRIED_WITHIN.total_seconds())
    ids = [f"{bytes_only}:{number}" for number in (minute - 1, minute)]
    recent = Event.objects.filter(mailbox__tenant=tenant, received_at__gt=received_at - RETRIED_WITHIN)
    known = recent.filter(webhook_id__in=ids).values_list("webhook_id", flat=True).first()
    return known or ids[-1]


def _lifecycle(event: Envelope, bytes_only: str) -> Envelope:
    """Two uninstalls of one location are the same bytes when they carry neither `webhookId` nor `timestamp`. What lies
    between them tells them apart: another lifecycle event of the tenant, or another state of its installation (the
    callback or the vendor's list may have brought a new one whose INSTALL was lost). With neither in between, the
    second is a retry, or it says nothing new.
    """
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
