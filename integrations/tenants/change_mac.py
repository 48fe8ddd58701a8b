"""MAC of a change of an installation (`vault.row_macs`): functions and jobs are called for what this application wrote.

It covers which installation changed, what, when, and both values. A change that does not fit calls no function: its
page says why.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from integrations.tenants.installation_change import InstallationChange
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable

NOT_OURS = f"this change was not recorded by this application: {row_macs.NOT_OURS}"


def of(change: InstallationChange) -> bytes:
    """The MAC of what the change says now."""
    return row_macs.mac(_content(change))


def fits(change: InstallationChange) -> bool:
    """Whether this application recorded the change as it is."""
    return row_macs.fits(change.mac, _content(change))


def register() -> None:
    """Register the table with `vault.signed_tables`: changes for which functions are to be called, or may be again."""
    waiting = InstallationChange.objects.filter(Q(due_at__isnull=False) | ~Q(error=""))
    signed_tables.register(SignedTable(InstallationChange, waiting.all, _lacks))


def _content(change: InstallationChange) -> bytes:
    which = [change.installation_id, change.generation, str(change.what), change.at]
    return row_macs.content("change of an installation", *which, change.old, change.new, change.event_id)


def _lacks(row: InstallationChange) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": of(row)})
