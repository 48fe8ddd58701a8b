"""The data key of an upsert: it encrypts the rows, and proves that this application made and started them.

A row's content is personal data, so it is encrypted (`vault.data_keys`), bound to the row's number and to whether it
may be sent. The key is sealed by the vault, bound to app, tenant, operation and phase. So who writes to the database
makes no call in a tenant's name: an inserted, changed or moved row does not open, a draft whose phase is changed does
not either, and nor does a row of unknown fate that is made to wait. When the upsert is deleted, so is its key.

**What remains.** Who kept rows of a started upsert together with its sealed key can put all of them back later.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.upserts.models import Upsert, UpsertRow
from integrations.vault import columns, data_keys, forget
from integrations.vault.seal import Binding, seal, unseal

KEY_LOST = "the key that sealed it is lost: prepare the upsert again"
_BATCH = 100


@dataclass(frozen=True, slots=True)
class RowContent:
    """What a row says: the parameters and the body of its call, JSON both. It is personal data: no repr."""

    params: dict[str, Any]
    body: dict[str, Any]

    def __repr__(self) -> str:
        return "RowContent(...)"


class RowCipher:
    """Encrypts and opens the rows of one upsert."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def encrypted(self, number: int, content: RowContent, *, may_be_sent: bool) -> str:
        """The content for this row, as it waits or as it is held."""
        text = json.dumps([content.params, content.body])
        return data_keys.encrypt(self._key, text, _place(number, may_be_sent=may_be_sent))

    def content(self, row: UpsertRow) -> RowContent:
        """What the row says. Raises SealBroken unless this application wrote it for this row and state."""
        may_be_sent = row.state != UpsertRow.State.UNKNOWN
        params, body = json.loads(data_keys.decrypt(self._key, row.body, _place(row.number, may_be_sent=may_be_sent)))
        return RowContent(params, body)

    def held(self, row: UpsertRow) -> str:
        """The row's content, encrypted so that it cannot be sent."""
        return self.encrypted(row.number, self.content(row), may_be_sent=False)


def make(upsert: Upsert) -> RowCipher:
    """Give a new upsert its key; the row is not saved."""
    key = data_keys.new_key()
    upsert.sealed = seal(key, binding(upsert))
    return RowCipher(key)


def cipher(upsert: Upsert) -> RowCipher:
    """The cipher of its rows. Raises SealBroken when the key does not open for what the upsert says it is."""
    if upsert.sealed is None:
        raise SealBroken(KEY_LOST)
    return RowCipher(unseal(upsert.sealed, binding(upsert)))


def move(upsert: Upsert, phase: str) -> None:
    """Seal the key for another phase; the row is not saved. Raises SealBroken."""
    if upsert.sealed is None:
        raise SealBroken(KEY_LOST)
    key = unseal(upsert.sealed, binding(upsert))
    upsert.phase = phase
    upsert.sealed = seal(key, binding(upsert))


def binding(upsert: Upsert) -> Binding:
    """What the key is bound to."""
    owner = ("upsert", str(upsert.app_id), upsert.level, upsert.tenant_id, upsert.operation, upsert.version)
    return Binding(owner=owner, field=f"rows of a {upsert.phase} upsert", generation=0)


def register() -> None:
    """Register the sealed keys with the vault: they are counted, rotated and given up like all others."""
    needs = ("app_id", "level", "tenant_id", "operation", "version", "phase")
    columns.register(columns.SealedColumn(Upsert, "sealed", needs, binding))
    forget.register(_UpsertsOfALostKey())


class _UpsertsOfALostKey:
    """`vault.forget.LostKeyHandler`: no key opens these rows, so they are not sent."""

    label = "upserts.Upsert"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Stop up to 100 upserts that this key sealed, and refuse their rows that were not sent."""
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(Upsert, key_id).select_for_update(skip_locked=True).order_by("pk")
            lost = list(rows.values_list("pk", flat=True)[:_BATCH])
            UpsertRow.objects.filter(upsert__in=lost).lose_key(KEY_LOST, clock.now())
            Upsert.objects.stop_without_key(lost, KEY_LOST)
            if lost:
                audit.record("upsert.key_lost", actor=actor, subject="upserts", key_id=key_id, upserts=lost)
        return Counter({"upserts stopped": len(lost)} if lost else {})


def _place(number: int, *, may_be_sent: bool) -> tuple[str, ...]:
    return ("row of an upsert", str(number), "to be sent" if may_be_sent else "held")
