"""The last step of a refresh: commits the new pair to its row, or to the spool while the database is unavailable.

A spooled pair is committed by the same compare-and-set on the generation. So it makes no difference which process
commits it, how often, or whether the repair of the orphan came first.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import Error as AnyDatabaseError

from integrations.core import audit
from integrations.core.errors import StoreUnavailable
from integrations.highlevel.oauth.grants import Grant
from integrations.tokens import database, seals, store
from integrations.tokens.models import Credential
from integrations.tokens.spool import spool
from integrations.tokens.spool.spool import SpooledGrant
from integrations.vault.seal import Binding

log = structlog.get_logger(__name__)

KIND = "pair"


def new_pair(row: Credential, grant: Grant, *, requested_at: datetime) -> Credential:
    """Commit the pair that the refresh token grant (RFC 6749, section 6) or a minting returned.

    Returns the row as it is afterwards, with this pair or a newer one. Raises StoreUnavailable when the pair went to
    the spool instead. Every failed write leads there, because the vendor does not issue the pair twice.
    """
    try:
        return _replaced(row, grant, requested_at)
    except Exception as error:
        foreseen = isinstance(error, AnyDatabaseError)
        log.warning("token.swap_failed", credential=row.pk, reason=type(error).__name__, exc_info=not foreseen)
        database.release()
    try:
        return _replaced(row, grant, requested_at)  # retry: the connection was cut, while the database is up
    except Exception as error:
        database.release()
        _spool(row, grant, requested_at)
        raise StoreUnavailable(f"the new pair of {row} is kept until the database is back", retry_after=5.0) from error


def spooled_pair(entry: SpooledGrant) -> None:
    """Commit a spooled pair, unless its row has moved on. Raises SealBroken when it does not belong to this row."""
    facts = entry.facts
    row = (
        Credential.objects.select_related("app")
        .filter(pk=facts["credential"], app__client_id=facts["client"], generation=facts["generation"])
        .first()
    )
    if row is None:
        return
    was = row.state
    if store.replace_token_pair(row, entry.grant(row.app, _binding(row)), now=entry.at):
        audit.record(
            "token.rescued", actor="system", subject=row.tenant.audit_subject, generation=row.generation, was=was
        )


def _replaced(row: Credential, grant: Grant, requested_at: datetime) -> Credential:
    if store.replace_token_pair(row, grant, now=requested_at):
        return row
    return Credential.objects.select_related("app").get(pk=row.pk)


def _spool(row: Credential, grant: Grant, requested_at: datetime) -> None:
    facts = {"credential": row.pk, "client": row.app.client_id, "generation": row.generation}
    spool.keep(KIND, grant, _binding(row), at=requested_at, **facts)


def _binding(row: Credential) -> Binding:
    """The binding of a spooled pair: the next generation, and its own field, because no column stores this blob."""
    return seals.binding(row, seals.SPOOLED, row.generation + 1)
