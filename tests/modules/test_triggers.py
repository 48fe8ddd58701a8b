"""Workflow triggers: subscriptions are kept as HighLevel announces them, and fired at its own address only."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from integrations.core import clock
from integrations.core.errors import BadRequest, PayloadAnomalous, RequestRejected
from integrations.core.tenant import Tenant, UserType
from integrations.gateway.for_tenant import tenant_api
from integrations.modules import module_keys, trigger_subscriptions, triggers
from integrations.modules.models import TriggerSubscription
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.webhooks import mailbox
from integrations.webhooks.models import Event
from tests.modules.conftest import Call
from tests.plugin.vendor import Vendor
from tests.support import signed

pytestmark = pytest.mark.django_db


def subscription(app: App, location: str, event: str = "CREATED", **changed: Any) -> dict[str, Any]:
    given = {
        "id": "t1",
        "key": "paid",
        "filters": [{"field": "amount", "operator": ">", "value": 10}],
        "eventType": event,
        "targetUrl": f"{app.api_url}/workflows-marketplace/triggers/execute/{location}/t1",
    }
    return {
        "triggerData": {**given, **changed},
        "meta": {"key": "paid", "version": "1.0"},
        "extras": {"locationId": location, "workflowId": "wf1", "companyId": "cmp1"},
    }


def send(call: Call, payload: dict[str, Any]) -> Event:
    assert call("trigger/paid", payload).status_code == 200
    event = Event.objects.latest("pk")
    mailbox.drain(event.mailbox_id)
    event.refresh_from_db()
    return event


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_vendor_subscribes_the_job_fires_and_a_removed_trigger_ends(
    vendor: Vendor, app: App, location: str, key: str, live_server: LiveServer
) -> None:
    """Both sides over HTTP: the sandbox calls our URL with the portal's header, and answers what we fire."""
    url = f"{live_server.url}/modules/{app.highlevel_id}/trigger/paid/"

    def play(event: str, workflow: str) -> None:
        body = {
            "kind": "trigger",
            "url": url,
            "location": location,
            "key": "paid",
            "workflow": workflow,
            "event": event,
        }
        played = vendor.post("/sandbox/modules", {**body, "headers": {module_keys.HEADER: key}})
        assert (played["status"], played["answer"]) == (200, {"status": "stored"})
        mailbox.drain(Event.objects.latest("pk").mailbox_id)

    api = tenant_api(app, Tenant.location(location))
    assert triggers.fire(api, "paid", {"amount": 12}) == 0
    play("CREATED", "wf1")
    play("CREATED", "wf2")
    assert [one.workflow_id for one in triggers.subscriptions(app, location, "paid")] == ["wf1", "wf2"]
    assert triggers.fire(api, "paid", {"amount": 12}) == 2
    assert triggers.fire(api, "paid", {"amount": 13}, workflows=frozenset({"wf2"})) == 1
    assert triggers.fire(api, "unpaid", {}) == 0
    fired = [(one["workflow_id"], one["body"]) for one in vendor.get("/sandbox/modules")["fired"]]
    assert fired == [("wf1", {"amount": 12}), ("wf2", {"amount": 12}), ("wf2", {"amount": 13})]
    play("DELETED", "wf1")
    assert triggers.fire(api, "paid", {"amount": 14}) == 1


def test_a_trigger_that_the_vendor_has_lost_ends_and_the_others_are_fired(
    call: Call, app: App, location: str, vendor: Vendor
) -> None:
    send(call, subscription(app, location))
    assert triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {}) == 0, "the sandbox answers 404"
    assert triggers.subscriptions(app, location) == []


def test_another_refusal_is_the_callers(call: Call, app: App, location: str, vendor: Vendor) -> None:
    send(call, subscription(app, location))
    vendor.fault("/workflows-marketplace/", "status", status=422)
    with pytest.raises(RequestRejected):
        triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {})
    assert len(triggers.subscriptions(app, location)) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/workflows-marketplace/triggers/execute/l/t1",
        "{api}.evil.example/workflows-marketplace/triggers/execute/l/t1",
        "{api}@evil.example/workflows-marketplace/triggers/execute/l/t1",
        "{api}/contacts/",
        "{api}/workflows-marketplace/actions/l/t1",
        "//evil.example/workflows-marketplace/triggers/execute/l/t1",
        "http://[/",
        "",
        None,
        7,
        "x" * 501,
    ],
)
def test_an_address_that_is_not_the_vendors_is_set_aside_and_never_called(
    call: Call, app: App, location: str, target: Any
) -> None:
    given = target.replace("{api}", app.api_url) if isinstance(target, str) else target
    event = send(call, subscription(app, location, targetUrl=given))
    assert (event.status, event.error_code) == (Event.Status.POISONED, "payload_anomalous")
    assert not TriggerSubscription.objects.exists()


def test_an_address_that_is_not_the_apps_any_more_is_not_called(call: Call, app: App, location: str) -> None:
    """What somebody writes into the database is not even looked at: `test_forged_subscriptions`."""
    send(call, subscription(app, location))
    TriggerSubscription.objects.update(target_url="https://evil.example/workflows-marketplace/triggers/execute/l/t1")
    signed.sign(TriggerSubscription)
    with pytest.raises(PayloadAnomalous):
        triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {})


def test_a_path_that_leaves_the_triggers_is_refused(call: Call, app: App, location: str) -> None:
    target = f"{app.api_url}/workflows-marketplace/triggers/execute/../../../contacts/"
    send(call, subscription(app, location, targetUrl=target))
    with pytest.raises(BadRequest, match="must not have the segments"):
        triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {})


def test_an_older_call_undoes_no_later_one(call: Call, app: App, location: str) -> None:
    first = send(call, subscription(app, location))
    send(call, subscription(app, location, "DELETED"))
    trigger_subscriptions.subscribed(first)  # a replay
    assert triggers.subscriptions(app, location) == []
    first.occurred_at = clock.now() + timedelta(seconds=1)
    trigger_subscriptions.subscribed(first)  # the workflow is published again
    assert [one.trigger_id for one in triggers.subscriptions(app, location)] == ["t1"]


def test_an_uninstall_ends_the_subscriptions_of_its_location_alone(call: Call, app: App, location: str) -> None:
    send(call, subscription(app, location))
    send(call, subscription(app, "another"))
    row = Installation.objects.get(app=app, user_type=UserType.LOCATION)
    trigger_subscriptions.uninstalled(InstallationChange(installation=row, what=InstallationChange.What.UNINSTALLED))
    assert [one.location_id for one in TriggerSubscription.objects.all()] == ["another"]


@pytest.mark.parametrize("broken", [{"triggerData": "t1"}, {"extras": {}}, {"triggerData": {"id": 7}}])
def test_a_subscription_without_its_ids_is_set_aside(
    call: Call, app: App, location: str, broken: dict[str, Any]
) -> None:
    event = send(call, {**subscription(app, location), **broken})
    assert event.status == Event.Status.POISONED


def test_no_trigger_is_fired_for_a_company(app: App, location: str) -> None:
    with pytest.raises(BadRequest, match="for a location"):
        triggers.fire(tenant_api(app, Tenant.company("c")), "paid", {})


def test_the_filters_are_kept_for_the_app_to_compare(call: Call, app: App, location: str) -> None:
    send(call, subscription(app, location))
    [one] = triggers.subscriptions(app, location, "paid")
    assert one.filters == [{"field": "amount", "operator": ">", "value": 10}]
    assert json.dumps(one.filters)
