"""What somebody writes into the table of subscriptions, without a key of the vault, starts no workflow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core.tenant import Tenant
from integrations.gateway.for_tenant import tenant_api
from integrations.modules import triggers
from integrations.modules.models import TriggerSubscription
from integrations.tenants.models import App
from integrations.vault import signed_tables
from tests.modules.conftest import Call
from tests.modules.test_triggers import send, subscription
from tests.plugin.vendor import Vendor
from tests.support.forging import Attacks, copied, each
from tests.support.signed import transition

pytestmark = pytest.mark.django_db


def waiting(app: App, location: str) -> list[tuple[str, str]]:
    return [(one.workflow_id, one.key) for one in triggers.subscriptions(app, location)]


def test_a_subscription_that_is_written_starts_no_workflow(call: Call, app: App, location: str, vendor: Vendor) -> None:
    send(call, subscription(app, location))
    send(call, subscription(app, "another", id="t2"))
    mine = TriggerSubscription.objects.filter(location_id=location)
    row, theirs = mine.get(), TriggerSubscription.objects.get(location_id="another")
    attacks: Attacks = {
        "another address": lambda: mine.update(target_url=theirs.target_url),
        "another address with its MAC": lambda: mine.update(target_url=theirs.target_url, mac=theirs.mac),
        "another key": lambda: mine.update(key="unpaid"),
        "other filters": lambda: mine.update(filters=[]),
        "another workflow": lambda: mine.update(workflow_id="wf2"),
        "another trigger": lambda: mine.update(trigger_id="t3"),
        "another moment": lambda: mine.update(subscribed_at=row.subscribed_at + timedelta(days=999)),
        "no MAC": lambda: mine.update(mac=None),
    }
    for name in each(attacks):
        assert waiting(app, location) == [], name
        assert triggers.fire(tenant_api(app, Tenant.location(location)), "unpaid", {}) == 0, name
        assert signed_tables.misfits() == {"modules.TriggerSubscription": 1}, name
        assert signed_tables.discard("modules.TriggerSubscription", [row.pk], actor="ann") == [row.pk], name
    inserted: Attacks = {
        "inserted": lambda: copied("modules_triggersubscription", row.pk, workflow_id="'wf2'"),
        "moved from another location": lambda: copied(
            "modules_triggersubscription", theirs.pk, location_id=f"'{location}'"
        ),
    }
    for name in each(inserted):
        assert waiting(app, location) == [("wf1", "paid")], name
    assert waiting(app, location) == [("wf1", "paid")]


def test_the_vendors_next_call_replaces_what_somebody_wrote(call: Call, app: App, location: str) -> None:
    first = send(call, subscription(app, location))
    rows = TriggerSubscription.objects.all()
    rows.update(target_url="", subscribed_at=first.occurred_at + timedelta(days=999))
    assert waiting(app, location) == []
    send(call, subscription(app, location, "UPDATED"))
    assert waiting(app, location) == [("wf1", "paid")]
    send(call, subscription(app, location, "DELETED"))
    rows.update(target_url=subscription(app, location)["triggerData"]["targetUrl"])
    assert waiting(app, location) == []


def test_what_has_ended_at_the_vendor_fits_and_cannot_be_revived(
    call: Call, app: App, location: str, vendor: Vendor
) -> None:
    send(call, subscription(app, location))
    rows = TriggerSubscription.objects.all()
    before = rows.get()
    assert triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {}) == 0, "the sandbox answers 404"
    assert rows.get().target_url == ""
    assert signed_tables.misfits() == {}
    rows.update(target_url=before.target_url)
    assert waiting(app, location) == []


def test_rows_without_a_mac_are_signed_in_the_transition(call: Call, app: App, location: str) -> None:
    row = send(call, subscription(app, location))
    TriggerSubscription.objects.update(mac=None)
    transition(row.received_at + timedelta(days=1))
    assert waiting(app, location) == [("wf1", "paid")]
    assert signed_tables.sign_in_transition()["modules.TriggerSubscription"] == 1
