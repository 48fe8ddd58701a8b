"""Fields of the copy that are encrypted at rest: those that the setting `SEALED_FIELDS` names.

Each field is encrypted by itself inside the payload, under the data key of its location, so that evidence is merged as
ever: a partial webhook replaces some fields and leaves the others. Rows of the vendor are encrypted before they are
written; `FieldOpener` opens what is read. The database cannot search, sort or compare by such a field, and neither can
`manage.py purge verify`.

Another setting takes effect with the next full run of the resource, which writes every record anew where it differs.
When the vault's key is lost the fields are lost too: `manage.py vault forget` deletes the data keys and asks for full
runs, which bring the fields again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant
from integrations.sync.models import Plan, Record, RecordKey
from integrations.sync.resources.sealable import EVERY, PLAIN
from integrations.sync.signed import plan_macs
from integrations.tenants.models import Company
from integrations.vault import columns, data_keys, forget
from integrations.vault.columns import sealed_by
from integrations.vault.seal import Binding, seal, unseal

MARK = "~sealed"  # an encrypted field is an object with this one name
_BATCH = 100


class FieldSealer:
    """Encrypts the chosen fields of payloads. It keeps the keys that it has met: make one for each page or batch."""

    def __init__(self) -> None:
        self._keys: dict[str, Secret] = {}
        self._fields: dict[str, frozenset[str]] = {}

    def payload(self, location_id: str, resource: str, record_id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload as it is stored. Empty values stay as they are: they say nothing."""
        if resource not in self._fields:
            self._fields[resource] = _chosen(resource)
        fields = self._fields[resource]
        if not fields:
            return dict(payload)
        names = payload.keys() - PLAIN if EVERY in fields else fields & payload.keys()
        chosen = [name for name in names if payload[name] not in (None, "", [], {})]
        if not chosen:
            return dict(payload)
        key = self._keys.get(location_id) or self._keys.setdefault(location_id, _key(location_id) or _make(location_id))
        place = (location_id, resource, record_id)
        return {**payload, **{name: _encrypted(key, payload[name], (*place, name)) for name in chosen}}


class FieldOpener:
    """Opens the encrypted fields of records. It keeps the keys that it has met: make one for each page or batch."""

    def __init__(self) -> None:
        self._keys: dict[str, Secret | None] = {}

    def payload(self, record: Record) -> dict[str, Any]:
        """The payload as the vendor sent it. Raises SealBroken when a field does not open."""
        stored: dict[str, Any] = record.payload
        return self.opened(record.location_id, record.resource, record.record_id, stored)

    def opened(self, location_id: str, resource: str, record_id: str, stored: dict[str, Any]) -> dict[str, Any]:
        """As `payload`, for columns that were read without a record."""
        hidden = {name: value[MARK] for name, value in stored.items() if is_sealed(value)}
        if not hidden:
            return stored
        if location_id not in self._keys:
            self._keys[location_id] = _key(location_id)
        key = self._keys[location_id]
        if key is None:
            raise SealBroken(f"the data key of {location_id} is lost: `manage.py sync --full` reads its records again")
        place = (location_id, resource, record_id)
        return {**stored, **{name: _decrypted(key, text, (*place, name)) for name, text in hidden.items()}}


def is_sealed(value: Any) -> bool:
    """Whether a value of a stored payload is encrypted."""
    return isinstance(value, dict) and value.keys() == {MARK}


class LostDataKeys:
    """`vault.forget.LostKeyHandler`: without their data key the fields are read from the vendor again."""

    label = "sync.RecordKey"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete up to 100 data keys that the lost key sealed, and ask for full runs of their tenants."""
        with transaction.atomic():
            audit.lock()
            rows = sealed_by(RecordKey, key_id).select_for_update(skip_locked=True).order_by("pk")
            lost = [row.pk for row in rows[:_BATCH]]
            now = clock.now()
            plans = Plan.objects.filter(location_id__in=lost, enabled=True)
            plan_macs.write(plans, due_at=now, full_due_at=None, repair_asked_at=now)
            RecordKey.objects.filter(pk__in=lost).delete()
            companies = set(Company.objects.filter(pk__in=lost).values_list("pk", flat=True))
            for tenant_id in lost:
                tenant = Tenant.company(tenant_id) if tenant_id in companies else Tenant.location(tenant_id)
                audit.record("record_key.lost", actor=actor, subject=tenant.audit_subject, key_id=key_id)
        return Counter({"data keys deleted": len(lost)}) if lost else Counter()


def register() -> None:
    """Register the sealed column and the lost-key handler with the vault. Called once at start-up."""
    columns.register(columns.SealedColumn(RecordKey, "sealed", (), lambda row: _binding(row.pk)))
    forget.register(LostDataKeys())


def _chosen(resource: str) -> frozenset[str]:
    """The fields of the resource that the setting names."""
    entries = (entry.partition(".") for entry in settings.SEALED_FIELDS)
    return frozenset(field for name, _, field in entries if name == resource) - PLAIN


def _encrypted(key: Secret, value: Any, place: tuple[str, ...]) -> dict[str, str]:
    return {MARK: data_keys.encrypt(key, json.dumps(value, sort_keys=True), place)}


def _decrypted(key: Secret, text: str, place: tuple[str, ...]) -> Any:
    return json.loads(data_keys.decrypt(key, text, place))


def _key(location_id: str) -> Secret | None:
    row = RecordKey.objects.filter(pk=location_id).first()
    return None if row is None else unseal(row.sealed, _binding(location_id))


def _make(location_id: str) -> Secret:
    """The first of two that are made at the same time counts."""
    sealed = seal(data_keys.new_key(), _binding(location_id))
    row = RecordKey(pk=location_id, sealed=sealed, created_at=clock.now())
    RecordKey.objects.bulk_create([row], ignore_conflicts=True)
    return unseal(RecordKey.objects.get(pk=location_id).sealed, _binding(location_id))


def _binding(location_id: str) -> Binding:
    return Binding(("data key", location_id), "key", 1)
