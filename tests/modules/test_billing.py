"""The report of a payment reaches HighLevel with the app's own credentials, and refusals have their classes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.core.errors import BadRequest, ClientRejected, RequestRejected, ServerFault
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant
from integrations.highlevel.oauth.payment_notice import Payment
from integrations.modules import billing
from integrations.tenants import marketplace
from integrations.tenants.models import App
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
