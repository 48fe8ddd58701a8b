"""MAC of a subscription to a trigger (`vault.row_macs`): a job starts the workflows that HighLevel has subscribed.

It covers whose subscription it is, for which trigger, with which filters, where it is fired, and as of when. One that
does not fit is fired for nobody. The next call of HighLevel for its trigger replaces it as a whole.
"""

from __future__ import annotations

from typing import Any

from integrations.modules.models import TriggerSubscription
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable


def signed(row: TriggerSubscription) -> TriggerSubscription:
    """The subscription with the MAC of what it has now."""
    row.mac = row_macs.mac(_content(row))
    return row


def fits(row: TriggerSubscription) -> bool:
    """Whether this application wrote the subscription as it is."""
    return row_macs.fits(row.mac, _content(row))


def register() -> None:
    """Register the table with `vault.signed_tables`. Called once at start-up."""
    signed_tables.register(SignedTable(TriggerSubscription, TriggerSubscription.objects.all, _lacks))


def _content(row: TriggerSubscription) -> bytes:
    whose = row.app_id, row.location_id, row.workflow_id, row.trigger_id
    return row_macs.content("trigger", *whose, row.key, row.filters, row.target_url, row.subscribed_at)


def _lacks(row: TriggerSubscription) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": row_macs.mac(_content(row))})
