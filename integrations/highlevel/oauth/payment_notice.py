"""Tells HighLevel that an app billed an account by itself: the call back of external billing (FACTS 6)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from integrations.core.errors import BadRequest, ClientRejected
from integrations.core.tenant import Tenant
from integrations.core.texts import storable
from integrations.highlevel.http import api_errors, transport
from integrations.highlevel.oauth import oauth_errors
from integrations.highlevel.oauth.client import DEADLINE_SECONDS, ClientIdentity

PATH = "/oauth/billing/webhook"


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as HighLevel wants to know it. `amount` is in US dollars; `completed` false: it failed.

    One of both ids names it with the biller. Raises BadRequest without, and for an amount below zero.
    """

    amount: Decimal
    recurring: bool = False
    completed: bool = True
    payment_id: str = ""
    subscription_id: str = ""

    def __post_init__(self) -> None:
        if not self.payment_id and not self.subscription_id:
            raise BadRequest("name the payment or the subscription by its id")
        if self.amount < 0:
            raise BadRequest("an amount is not below zero")

    @property
    def status(self) -> Literal["COMPLETED", "FAILED"]:
        """What became of it."""
        return "COMPLETED" if self.completed else "FAILED"


def send(client: ClientIdentity, tenant: Tenant, payment: Payment) -> None:
    """Report one payment of one account. Raises ClientRejected, what `api_errors` lists, and Unreachable."""
    ids = {"paymentId": payment.payment_id, "subscriptionId": payment.subscription_id}
    request = transport.Request(
        method="POST",
        path=PATH,
        json={
            "clientId": client.client_id,
            "authType": tenant.kind,
            **tenant.request_fields,
            **{name: value for name, value in ids.items() if value},
            "amount": float(payment.amount),
            "status": payment.status,
            "paymentType": "recurring" if payment.recurring else "one_time",
        },
        secret_headers={"x-ghl-client-secret": client.client_secret},
        headers={"x-ghl-client-key": client.client_id},
        timeout=DEADLINE_SECONDS,
        operation="oauth.billing",
    )
    response = transport.shared(client.api_url).send(request)
    if response.status >= 300:
        said = storable(response.body[:2000].decode("utf-8", "replace")) if response.json is None else response.json
        refusal = oauth_errors.classify(response.status, said, trace_id=response.trace_id)
        if isinstance(refusal, ClientRejected):  # only the table of the token endpoint knows these words
            raise refusal
    api_errors.raise_for(response, operation=request.operation)
