"""The very request of a failed call, sealed: path, query and body as they were sent, without secrets.

What is kept of a call in the open has no personal data (`anonymize`). An operator who makes the call again by hand
needs the values, so they are kept beside it under the vault's key, for as long as the call, and are opened for the call
explorer alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from integrations.core import audit, redaction
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.gateway.models import Call
from integrations.highlevel.catalogue import PreparedRequest
from integrations.vault import columns, forget
from integrations.vault.seal import Binding, seal, unseal

LARGEST = 32_000  # characters of JSON; of a larger request only what `anonymize` keeps is kept
_BATCH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """What was sent. `query` has names and values in order; `body` is JSON, or the fields of a form."""

    path: str
    query: list[tuple[str, str]]
    body: Any


def sealed(request: PreparedRequest, *, at: datetime, app_id: int, resource_id: str) -> bytes | None:
    """The sealed request of a call at this moment; None if it is too large, or cannot be sealed now."""
    body = request.json if request.form is None else request.form
    query = [[name, redaction.without_secrets(value, name)] for name, value in request.query]
    sent = {"path": request.path, "query": query, "body": redaction.without_secrets(body)}
    text = json.dumps(sent, default=str)
    if len(text) > LARGEST:
        return None
    try:
        return seal(Secret(text), _binding(at, app_id, resource_id))
    except SealBroken:
        return None


def opened(call: Call) -> SentRequest | None:
    """What was sent with this call; None where it was not kept, or does not open any more."""
    if call.request_sealed is None:
        return None
    try:
        sent = json.loads(unseal(call.request_sealed, _bound(call)).reveal())
    except SealBroken:
        return None
    return SentRequest(sent["path"], [(name, value) for name, value in sent["query"]], sent["body"])


class LostRequests:
    """`vault.forget.LostKeyHandler`: without their key the requests are gone, and the calls stay."""

    label = "gateway.Call"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete up to 500 requests that the lost key sealed."""
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(Call, key_id).select_for_update(skip_locked=True).order_by("pk")
            lost = list(rows.values_list("pk", flat=True)[:_BATCH])
            Call.objects.filter(pk__in=lost).update(request_sealed=None)
            if lost:
                audit.record("call.key_lost", actor=actor, subject="failed calls", key_id=key_id, requests=len(lost))
        return Counter({"requests of failed calls deleted": len(lost)}) if lost else Counter()


def register() -> None:
    """Register the sealed column and the lost-key handler with the vault. Called once at start-up."""
    needs = ("at", "app_id", "resource_id")
    columns.register(columns.SealedColumn(Call, "request_sealed", needs, _bound))
    forget.register(LostRequests())


def _bound(call: Call) -> Binding:
    return _binding(call.at, call.app_id, call.resource_id)


def _binding(at: datetime, app_id: int, resource_id: str) -> Binding:
    """The moment, to the microsecond, tells the calls of a tenant apart: a row has no key before it is written."""
    return Binding(("call", str(app_id), resource_id), "request", (at - _EPOCH) // timedelta(microseconds=1))
