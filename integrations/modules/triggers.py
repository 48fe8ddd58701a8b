"""Workflow triggers: which workflows of a location wait for one (`trigger_subscriptions`), and firing them.

::

    @background_job("shop.paid", on="InvoicePaid")
    def paid(run: JobRun) -> None:
        for event in run.events():
            triggers.fire(run.api, "invoice_paid", {"invoiceId": event["_id"]})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from integrations.core.errors import BadRequest, RequestRejected
from integrations.gateway.tenant_api import TenantApi
from integrations.modules import subscription_mac
from integrations.modules.models import TriggerSubscription
from integrations.modules.trigger_subscriptions import address, end
from integrations.tenants.models import App

log = structlog.get_logger(__name__)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One workflow that waits for a trigger. `filters`: the vendor's `[{field, id, operator, title, type, value}]`."""

    workflow_id: str
    trigger_id: str
    key: str
    filters: list[dict[str, Any]]


def subscriptions(app: App, location_id: str, key: str = "") -> list[Subscription]:
    """The workflows of a location that wait for the app's trigger with this key, or for any of its triggers."""
    rows = _subscribed(app, location_id, key)
    return [Subscription(row.workflow_id, row.trigger_id, row.key, row.filters) for row in rows]


def fire(api: TenantApi, key: str, body: Mapping[str, Any], *, workflows: frozenset[str] | None = None) -> int:
    """Start the workflows of the client's location that wait for this trigger; `body` is what they get as data.

    `workflows` are the ids of those that `subscriptions` gave and whose filters fit; None: all. Returns how many were
    started. With `run.api` each is a write of the job, with its intent and its fate (`jobs.sending`). A workflow whose
    trigger HighLevel does not know any more is skipped, and its subscription ends. Raises BadRequest for the client of
    a company, and what a call raises.
    """
    if api.location is None:
        raise BadRequest("a trigger is fired for a location, not for a company")
    started = 0
    for row in _subscribed(api.app, api.location, key):
        if workflows is None or row.workflow_id in workflows:
            started += _started(api, row, body)
    return started


def _subscribed(app: App, location_id: str, key: str) -> list[TriggerSubscription]:
    rows = TriggerSubscription.objects.filter(app=app, location_id=location_id).exclude(target_url="")
    found = list((rows.filter(key=key) if key else rows).order_by("pk"))
    ours = [row for row in found if subscription_mac.fits(row)]
    if len(ours) < len(found):
        log.error("trigger.not_ours", location=location_id, subscriptions=len(found) - len(ours))
    return ours


def _started(api: TenantApi, row: TriggerSubscription, body: Mapping[str, Any]) -> int:
    path, query = address(api.app, row.target_url)
    try:
        api.call(f"POST {path}", query, dict(body))
    except RequestRejected as error:
        if error.vendor.status not in _GONE:
            raise
        log.warning("trigger.gone", trigger=row.trigger_id, workflow=row.workflow_id)
        end(row)
        return 0
    return 1
