"""Mark of a bulk action: proves to the worker that an operator asked for it here, in this form.

A worker does it with the operator's rights. Without the mark, who can write a row of `BulkAction` could do anything
that any operator may. The mark is a signature under SECRET_KEY over what was asked and over the row's key and time, so
it fits no other row, and no longer than `LONGEST`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta

from django.core.signing import BadSignature, Signer

from integrations.core.models import BulkAction

LONGEST = timedelta(days=7)  # from the question to the last batch; many rows may each need a call of the vendor
AHEAD = timedelta(minutes=1)  # by which the clocks of two machines may differ
_SALT = "bulk action"


def make(row: BulkAction) -> str:
    """The mark of a row that has its key."""
    return Signer(salt=_SALT).sign(_digest(row))


def fits(row: BulkAction, now: datetime) -> bool:
    """Whether this row is one that an operator asked for, and not too long ago."""
    try:
        signed = Signer(salt=_SALT).unsign(row.mark)
    except BadSignature:
        return False
    return hmac.compare_digest(signed, _digest(row)) and -AHEAD <= now - row.created_at <= LONGEST


def _digest(row: BulkAction) -> str:
    asked = [row.pk, row.model, row.action, row.query, row.ids, row.newest, row.user_id, row.operator]
    return hashlib.sha256(json.dumps([*asked, row.created_at.isoformat()]).encode()).hexdigest()
