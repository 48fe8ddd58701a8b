"""MAC of a purge (`vault.row_macs`): who writes to the database deletes there, and has no purge made for it.

A purge does more than a DELETE: it removes tokens from the spool, keeps a contact out of the copy for good, and writes
a receipt into the audit trail in the name of the operator who asked. So a MAC covers whom it is for, who asked and
when, when it begins, and what it has deleted so far. A purge that does not fit is called off before it deletes anything
more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.privacy.models import Purge
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable

NOT_OURS = f"no operator asked for this purge here, or not like this: {row_macs.NOT_OURS}"


def of(purge: Purge) -> bytes:
    """The MAC of what the purge says now."""
    return row_macs.mac(_content(purge))


def fits(purge: Purge) -> bool:
    """Whether this application wrote the purge as it is."""
    return row_macs.fits(purge.mac, _content(purge))


def register(called_off: Callable[[Sequence[Purge], str], None]) -> None:
    """Register the table with `vault.signed_tables`, and what calls purges off. Called once at start-up."""
    active = Purge.objects.filter(status__in=(Purge.Status.WAITING, Purge.Status.RUNNING))
    signed_tables.register(SignedTable(Purge, active.all, _lacks, discarded=called_off))


def _content(purge: Purge) -> bytes:
    whom = [purge.user_type, purge.tenant_id, purge.contact_id, purge.of_contact, purge.locations]
    asked = [purge.requested_by, purge.requested_at, purge.begins_at]
    return row_macs.content("purge", *whom, *asked, purge.begun_at, purge.counts)


def _lacks(row: Purge) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": of(row)})
