"""Plays somebody who writes to the database and has no key of the vault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from integrations.core import clock
from integrations.core.models import AuditEntry

Attacks = dict[str, Callable[[], Any]]


def copied(table: str, pk: int, **values: str) -> None:
    """A copy of a row, with these columns as SQL, as an attacker inserts it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0")
        names = [name for (name,) in cursor.fetchall() if name != "id"]
        chosen = ", ".join(values.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM {table} WHERE id = %s", [pk])


def forged_entry(action: str, subject: str) -> None:
    """An entry of the audit trail, as good as it gets without a key of the vault."""
    last = AuditEntry.objects.latest("number")
    entry = AuditEntry(number=last.number + 1_000, at=clock.now(), actor="operator ann", action=action, subject=subject)
    entry.detail, entry.previous, entry.key_id, entry.seal = {}, bytes(last.hash), last.key_id, bytes(last.seal or b"")
    entry.hash = entry.chain_value
    entry.save(force_insert=True)


def each(attacks: Attacks) -> Any:
    """Each attack by itself."""
    for name, attack in attacks.items():
        with transaction.atomic():
            attack()
            yield name
            transaction.set_rollback(True)
