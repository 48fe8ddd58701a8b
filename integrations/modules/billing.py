"""External billing: reports to HighLevel what an account paid to the app, for apps whose billing page is their own.

::

    billing.report(app, Tenant.location(location_id), Payment(Decimal("9.90"), payment_id="pi_1"))

It is left to apps from before 2026-06-17 (FACTS 6). HighLevel sends the user who installs to that page, and authorises
the install when the report has arrived.
"""

from __future__ import annotations

from integrations.core import audit
from integrations.core.tenant import Tenant
from integrations.highlevel.oauth import payment_notice
from integrations.highlevel.oauth.payment_notice import Payment
from integrations.tenants import marketplace
from integrations.tenants.models import App


def report(app: App, tenant: Tenant, payment: Payment) -> None:
    """Report the payment of one account, once for each account. It need not be installed yet.

    Nothing says what a second report of the same payment does, so keep which were sent. Raises ClientRejected when
    HighLevel does not take the app's secret, RequestRejected, ServerFault and Unreachable.
    """
    payment_notice.send(marketplace.identity(app), tenant, payment)
    said = {"status": payment.status, "amount": str(payment.amount)}
    audit.record("billing.reported", actor="system", subject=tenant.audit_subject, **said)
