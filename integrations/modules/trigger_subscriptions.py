"""Keeps which workflows of a location wait for a trigger, and where each is fired.

HighLevel calls the subscription URL when a workflow with the trigger is published, changed or removed (FACTS 14). The
address to fire it comes in that call. It is used only at the app's own API address, whose host has to be allowed
(`highlevel.http.destinations`), and only below `FIRED_BELOW`: otherwise that call could send the location's token
anywhere, or have it used for another operation. A row that another program wrote is not used (`subscription_mac`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.db import transaction

from integrations.core.errors import PayloadAnomalous
from integrations.core.tenant import UserType
from integrations.modules import subscription_mac
from integrations.modules.models import LONGEST_URL, TriggerSubscription
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App
from integrations.webhooks.models import Event

FIRED_BELOW = "/workflows-marketplace/triggers/execute/"
_ENDED = "DELETED"


def subscribed(event: Event) -> None:
    """Handler of `WorkflowTrigger`: keep a subscription, or end it. A later one is not undone by an earlier one.

    Raises PayloadAnomalous for a call without what it takes to fire the trigger.
    """
    given, extras = _objects(event.payload)
    trigger_id, workflow_id = _text(given, "id"), _text(extras, "workflowId")
    location_id = _text(extras, "locationId")
    if not trigger_id or not location_id:
        raise PayloadAnomalous("the subscription names no trigger or no location")
    is_over = given.get("eventType") == _ENDED
    target = "" if is_over else _text(given, "targetUrl", LONGEST_URL)
    if not is_over:
        address(event.app, target)
    values: dict[str, Any] = {
        "key": _text(given, "key"),
        "filters": given.get("filters") if isinstance(given.get("filters"), list) else [],
        "target_url": target,
        "subscribed_at": event.occurred_at,
    }
    names = {"app": event.app, "location_id": location_id, "workflow_id": workflow_id, "trigger_id": trigger_id}
    given_now = subscription_mac.signed(TriggerSubscription(**names, **values))
    values["mac"] = given_now.mac
    with transaction.atomic():
        row, is_new = TriggerSubscription.objects.select_for_update().get_or_create(**names, defaults=values)
        if not is_new and (row.subscribed_at <= event.occurred_at or not subscription_mac.fits(row)):
            TriggerSubscription.objects.filter(pk=row.pk).update(**values)


def end(row: TriggerSubscription) -> None:
    """End a subscription that was read and fits, unless it has changed since."""
    unchanged = TriggerSubscription.objects.filter(pk=row.pk, target_url=row.target_url, mac=row.mac)
    row.target_url = ""
    unchanged.update(target_url="", mac=subscription_mac.signed(row).mac)


def uninstalled(change: InstallationChange) -> None:
    """Lifecycle hook: HighLevel does not promise to end subscriptions when the app is uninstalled (FACTS 14)."""
    row = change.installation
    if row.user_type == UserType.LOCATION:
        TriggerSubscription.objects.filter(app=row.app, location_id=row.resource_id).delete()


def address(app: App, target: str) -> tuple[str, dict[str, str]]:
    """Path and query of an address at the app's API address. Raises PayloadAnomalous for any other address."""
    try:
        parts, base = urlsplit(target), urlsplit(app.api_url)
        same = (parts.scheme, parts.hostname, parts.port) == (base.scheme, base.hostname, base.port)
    except ValueError:
        same = False
    if not same or parts.username is not None or not parts.path.startswith(base.path + FIRED_BELOW):
        raise PayloadAnomalous(f"a trigger is fired below {app.api_url}{FIRED_BELOW} only", field="targetUrl")
    return parts.path.removeprefix(base.path), dict(parse_qsl(parts.query))


def _objects(payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    found = [payload.get(name) for name in ("triggerData", "extras")]
    given, extras = (one if isinstance(one, dict) else {} for one in found)
    return given, extras


def _text(given: Mapping[str, Any], name: str, longest: int = 100) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise PayloadAnomalous(f"the subscription's {name} is not what it should be", field=name)
    return value
