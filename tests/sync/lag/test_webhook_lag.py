"""The measured time from the receipt of a webhook to the copy, by resource."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.sync.lag import webhook_lag
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox

VENDOR_FIRST = 20.0  # seconds from the vendor's time to the receipt


def receive(app: App, tenant: str, event_type: str, *seconds: float, status: str = "done") -> int:
    now = clock.now()
    box, _ = Mailbox.objects.get_or_create(app=app, tenant=tenant)
    Event.objects.bulk_create(
        Event(
            app=app,
            mailbox=box,
            webhook_id=f"{tenant}{event_type}{status}{number}",
            type=event_type,
            payload={},
            status=status,
            occurred_at=now - timedelta(minutes=5, seconds=VENDOR_FIRST),
            received_at=now - timedelta(minutes=5),
            due_at=now,
            processed_at=now - timedelta(minutes=5) + timedelta(seconds=taken),
        )
        for number, taken in enumerate(seconds)
    )
    return box.pk


def test_the_lag_is_that_of_the_types_of_each_resource(app: App) -> None:
    mine = receive(app, "location:a", "ContactCreate", 1.0, 2.0)
    receive(app, "location:a", "ContactUpdate", 3.0)
    receive(app, "location:a", "OpportunityCreate", 9.0)
    receive(app, "location:a", "ContactDelete", 500.0, status="poisoned")
    receive(app, "location:a", "CampaignStatusUpdate", 7.0)
    other = receive(app, "location:b", "ContactCreate", 4.0)
    now = clock.now()
    found = {one.resource: (one.count, one.median) for one in webhook_lag.of_mailboxes([mine], now)}
    assert found == {"contacts": (3, 2.0), "opportunities": (1, 9.0)}
    ((resource, median),) = [(one.resource, one.median) for one in webhook_lag.of_mailboxes([other], now)]
    assert (resource, median) == ("contacts", 4.0)
    everywhere = {one.resource: one for one in webhook_lag.of_all(now)}
    assert (everywhere["contacts"].count, everywhere["contacts"].median) == (4, 2.5)
    assert everywhere["contacts"].quantiles[0] == ("0.5", 2.5)
    assert everywhere["contacts"].vendor_quantiles == (("0.5", 22.5), ("0.95", pytest.approx(23.85)))
    assert everywhere["contacts"].vendor_words == "22.5 s, 95 % within 23.9 s"
    Event.objects.update(occurred_at=now + timedelta(hours=1))
    assert {one.of_vendor for one in webhook_lag.of_all(now)} == {(0.0, 0.0)}, "a vendor's clock that is ahead"
    assert everywhere["opportunities"].words == "9.0 s, 95 % within 9.0 s"


def test_without_webhooks_of_the_last_day_there_is_none(app: App) -> None:
    box = receive(app, "location:a", "ContactCreate", 1.0)
    later = clock.now() + timedelta(days=2)
    assert webhook_lag.of_mailboxes([box], later) == webhook_lag.of_all(later) == webhook_lag.of_mailboxes([], later)
