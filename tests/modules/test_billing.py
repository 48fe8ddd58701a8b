"""Billing of apps by themselves: visits of the billing URL, and the report of a payment with its refusals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from integrations.console.doctor.webhook_check import module_deliveries
from integrations.core.errors import BadRequest, ClientRejected, RequestRejected, ServerFault
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant
from integrations.highlevel.oauth.payment_notice import Payment
from integrations.modules import billing, billing_page, module_urls
from integrations.modules.answers import ModuleCall, answers
from integrations.quota.request_limits import RequestLimit
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.webhooks import handlers, mailbox
from integrations.webhooks.models import Event
from integrations.webhooks.module_deliveries import ModuleDelivery, recognise
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.django_db
AMOUNT = Decimal("9.90")


def test_a_payment_is_reported_for_each_account(vendor: Vendor, app: App) -> None:
    billing.report(app, Tenant.location(vendor.locations[0]), Payment(AMOUNT, payment_id="p1"))
    failed = Payment(AMOUNT, subscription_id="s1", recurring=True, completed=False)
    billing.report(app, Tenant.company(vendor.company), failed)
    assert vendor.state()["payments"] == [
        {
            "clientId": app.client_id,
            "authType": "location",
            "locationId": vendor.locations[0],
            "paymentId": "p1",
            "amount": 9.9,
            "status": "COMPLETED",
            "paymentType": "one_time",
        },
        {
            "clientId": app.client_id,
            "authType": "company",
            "companyId": vendor.company,
            "subscriptionId": "s1",
            "amount": 9.9,
            "status": "FAILED",
            "paymentType": "recurring",
        },
    ]
    assert AuditEntry.objects.filter(action="billing.reported").count() == 2


def test_another_secret_is_the_apps_own_mistake(vendor: Vendor, app: App) -> None:
    marketplace.set_secrets(app, client_secret=Secret("another-secret"), shared_secret=None)
    app.save()
    with pytest.raises(ClientRejected) as refusal:
        billing.report(app, Tenant.location(vendor.locations[0]), Payment(AMOUNT, payment_id="p1"))
    assert "another-secret" not in f"{refusal.value} {refusal.value.context}"


def test_a_refusal_and_a_fault_are_told_apart(vendor: Vendor, app: App) -> None:
    with pytest.raises(RequestRejected):
        billing.report(app, Tenant.location("nobody"), Payment(AMOUNT, payment_id="p1"))
    vendor.fault("/oauth/billing", "status", status=503)
    with pytest.raises(ServerFault):
        billing.report(app, Tenant.location(vendor.locations[0]), Payment(AMOUNT, payment_id="p1"))


@pytest.mark.parametrize("wrong", [{"amount": AMOUNT}, {"amount": Decimal(-1), "payment_id": "p1"}])
def test_a_payment_without_id_or_below_zero_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        Payment(**wrong)


# --- the billing URL ----------------------------------------------------------------------------------------------


@pytest.fixture
def visit(app: App, client: Client, clean_redis: Any) -> Callable[..., Any]:
    """A browser that HighLevel sent to the billing URL `plans`."""

    def visit(REMOTE_ADDR: str = "127.0.0.1", **query: str) -> Any:
        given = {"clientId": app.client_id, **query}
        return client.get(f"/modules/{app.highlevel_id}/billing/plans/", given, REMOTE_ADDR=REMOTE_ADDR)

    return visit


BOTH = {"installType": "agency,location", "companyId": "c1", "locationId": "l1,l2"}


def test_a_visit_is_stored_under_its_own_type_and_goes_on_to_the_apps_page(app: App, visit: Callable[..., Any]) -> None:
    seen: list[ModuleCall] = []

    @answers("ExternalBilling", "plans")
    def pay(call: ModuleCall) -> str:
        seen.append(call)
        return f"/welcome/pay?locations={call.payload['locationId']}"

    answer = visit(**BOTH, webhookId="another-events", type="INSTALL", appId="another")
    assert (answer.status_code, answer["Location"]) == (302, "/welcome/pay?locations=l1,l2")
    event = Event.objects.select_related("mailbox").get()
    assert (event.type, event.mailbox.tenant) == ("ExternalBilling/plans", "app"), "in no mailbox of what it names"
    assert event.payload == {"clientId": app.client_id, **BOTH}, "what is documented, and nothing else"
    assert (seen[0].tenant, seen[0].payload) == (None, event.payload)
    mailbox.drain(event.mailbox_id)
    assert Event.objects.get().status == Event.Status.DONE
    assert [finding.level for finding in module_deliveries()] == ["ok"]


def test_a_visit_without_a_function_is_an_honest_page(app: App, visit: Callable[..., Any]) -> None:
    handled: list[str] = []
    handlers.on("ExternalBilling", lambda event: handled.append(event.payload["companyId"]))
    answer = visit(**BOTH)
    assert answer.status_code == 404, "a page that is missing, and no error of the server"
    assert "cannot take your payment yet" in answer.content.decode()
    event = Event.objects.get()
    assert event.type == "ExternalBilling", "a stranger may have made the name up"
    mailbox.drain(event.mailbox_id)
    assert handled == ["c1"]
    assert any("/billing/" in one.url and not one.needs_key for one in module_urls.of(app))
    assert module_urls.that_lack_a_key() == []
    assert recognise({"clientId": app.client_id, "installType": "location"}) == ModuleDelivery("ExternalBilling", {})


def test_what_strangers_can_do_with_the_billing_url_is_limited(
    app: App, visit: Callable[..., Any], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.on("ExternalBilling", lambda event: None)
    assert visit(clientId="another-apps").status_code == 400
    assert visit(locationId="x" * 4_001).status_code == 400
    assert client.get("/modules/nobody/billing/plans/", {"clientId": app.client_id}).status_code == 400
    assert client.post(f"/modules/{app.highlevel_id}/billing/plans/").status_code == 405
    monkeypatch.setattr(billing_page, "VISITS", RequestLimit("billing-test", 1))
    assert [visit(**BOTH).status_code for _ in range(2)] == [404, 429]
    assert Event.objects.count() == 1


def test_visits_of_strangers_at_many_addresses_close_the_page_for_nobody(app: App, visit: Callable[..., Any]) -> None:
    answers("ExternalBilling", "plans")(lambda call: "/welcome/pay")
    for number in range(12):
        for _ in range(30):
            visit(REMOTE_ADDR=f"203.0.113.{number}", companyId=f"made-up-{number}", clientId="guessed")
            visit(REMOTE_ADDR=f"198.51.100.{number}", companyId=f"made-up-{number}")
    answer = visit(**BOTH)
    assert (answer.status_code, answer["Location"]) == (302, "/welcome/pay")
    assert Event.objects.count() <= billing_page.STORED.per_minute


def test_made_up_billing_pages_fill_no_table_and_warn_nobody(app: App, client: Client) -> None:
    for number in range(5):
        url = f"/modules/{app.highlevel_id}/billing/made-up-{number}/"
        assert client.get(url, {"clientId": app.client_id}).status_code == 404
    assert not Event.objects.exists()
    assert [finding.level for finding in module_deliveries()] == ["ok"]
