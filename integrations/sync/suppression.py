"""Suppression: a record that was purged on request does not come back, although the vendor still has it.

Every listing and webhook would bring a purged contact back as new. So its key is kept as a hash under a key of our own,
and what has this hash is left out before anything is written. What belongs to a suppressed contact (`contactId`) is
left out too. A contact that the vendor deletes and creates again has another id: it is another record, and is not
suppressed.

The hashing key is random and sealed by the vault. When the vault's key is lost the hashes mean nothing any more:
`manage.py vault forget` deletes them and says so in the audit trail, and the next sync brings such records back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import audit, prepared
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.sync.models import SuppressedRecord, SuppressionKey
from integrations.vault import columns, forget
from integrations.vault.seal import Binding, is_under, seal, unseal

PERSON, BELONGS_TO = "contacts", "contactId"  # the resource of persons, and the field that names one in other records
_BINDING = Binding(("suppression key",), "key", 1)
_ONLY = 1  # primary key of the one row


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is suppressed of some locations. `key` is None when nothing is."""

    key: Secret | None = field(default=None, repr=False)
    hashes: frozenset[bytes] = frozenset()

    def includes(self, location_id: str, resource: str, record_id: str | None, payload: Mapping[str, Any]) -> bool:
        """Whether the record is suppressed, or belongs to a contact that is."""
        if self.key is None or not self.hashes:
            return False
        person = payload.get(BELONGS_TO)
        keys = [(resource, record_id), (PERSON, person if isinstance(person, str) else None)]
        return any(_hash(self.key, location_id, *one) in self.hashes for one in keys if one[1])

    def names(self, location_id: str, text: str) -> bool:
        """Whether the text is the id of a suppressed contact of the location."""
        return self.key is not None and _hash(self.key, location_id, PERSON, text) in self.hashes


def of(location_ids: Collection[str]) -> Suppressed:
    """What is suppressed of these locations: one query while nothing ever was suppressed, two afterwards."""
    key = _key()
    if key is None:
        return Suppressed()
    locations = [_hash(key, location_id) for location_id in location_ids]
    rows = SuppressedRecord.objects.filter(location_hash__in=locations).values_list("record_hash", flat=True)
    return Suppressed(key, frozenset(bytes(found) for found in rows))


def is_empty() -> bool:
    """Whether nothing is suppressed anywhere."""
    return not SuppressedRecord.objects.exists()


def suppress(location_id: str, resource: str, record_ids: Iterable[str], now: datetime) -> None:
    """Keep these records out of the copy from now on. A merge whose transaction is under way may not see it yet."""
    key = _key() or _make_key(now)
    location = _hash(key, location_id)
    SuppressedRecord.objects.bulk_create(
        [
            SuppressedRecord(
                location_hash=location, record_hash=_hash(key, location_id, resource, record_id), since=now
            )
            for record_id in record_ids
        ],
        ignore_conflicts=True,
    )


def release(location_id: str, resource: str, record_id: str) -> bool:
    """End a suppression, because the person agrees to it again. False when there was none."""
    key = _key()
    if key is None:
        return False
    deleted, _ = SuppressedRecord.objects.filter(record_hash=_hash(key, location_id, resource, record_id)).delete()
    return bool(deleted)


class LostSuppressionKey:
    """`vault.forget.LostKeyHandler`: without its key nothing is suppressed any more."""

    label = "sync.SuppressionKey"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete the hashing key and the hashes, if that key of the vault sealed it."""
        with transaction.atomic():
            audit.lock()
            row = SuppressionKey.objects.select_for_update().filter(pk=_ONLY).first()
            if row is None or not is_under(row.sealed, key_id):
                return Counter()
            deleted, _ = SuppressedRecord.objects.all().delete()
            row.delete()
            audit.record("suppression.key_lost", actor=actor, subject=f"key:{key_id}", key_id=key_id, ended=deleted)
        return Counter({"suppressions ended": max(deleted, 1)})


def register() -> None:
    """Register the sealed column and the lost-key handler with the vault. Called once at start-up."""
    columns.register(columns.SealedColumn(SuppressionKey, "sealed", (), lambda row: _BINDING))
    forget.register(LostSuppressionKey())


def _key() -> Secret | None:
    """Asked for by every page and every batch of webhooks, so the statement is prepared."""
    with prepared.cursor() as cursor:
        cursor.execute("SELECT sealed FROM sync_suppressionkey WHERE id = %s", [_ONLY])
        row = cursor.fetchone()
    return None if row is None else unseal(row[0], _BINDING)


def _make_key(now: datetime) -> Secret:
    """The first of two that are made at the same time counts."""
    sealed = seal(Secret(secrets.token_urlsafe(32)), _BINDING)
    SuppressionKey.objects.bulk_create([SuppressionKey(pk=_ONLY, sealed=sealed, created_at=now)], ignore_conflicts=True)
    return unseal(SuppressionKey.objects.get(pk=_ONLY).sealed, _BINDING)


def _hash(key: Secret, *parts: str | None) -> bytes:
    """HMAC-SHA256 over the parts, each after its length."""
    raw = [part.encode() for part in parts if part is not None]
    message = b"".join(len(one).to_bytes(4, "big") + one for one in raw)
    with sensitive():
        return hmac.new(key.reveal().encode(), message, hashlib.sha256).digest()
