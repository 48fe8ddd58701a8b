"""Key rotation: re-seals every sealed value under the newest key while the system keeps running.

1. Go through each registered column by primary key and take a batch of values that the newest key did not seal, or that
   an older release sealed without the address they are sent to.
2. Open and re-seal them here, with no transaction open and no row locked.
3. Swap them in by one UPDATE, each where the old blob still stands. A refresh or an install that came in between has
   written another blob (every seal has a nonce of its own), so its row is left alone: it is sealed newly anyway.

The rows are the only state. A run that stops or is killed loses nothing, and the next run continues with the rest; two
runs at once share the work. At each moment a value is sealed by the old or the new key, and the ring opens both.

Values outside the database (`vault.external_values`) are re-sealed where they are, as far as this machine reaches them.

The UPDATE waits for no lock: it skips rows that another transaction is writing, and the next pass handles them. What
waits for no lock is part of no deadlock, so a rotation never aborts a refresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from django.db import connections, router

from integrations.core import audit, clock
from integrations.core.audit import maintenance
from integrations.core.errors import SealBroken, StoreUnavailable
from integrations.vault import columns, external_values, keys, sealed_counts
from integrations.vault.columns import SealedColumn
from integrations.vault.external_values import ExternalValues
from integrations.vault.keys import KeyRing
from integrations.vault.seal import resealed

log = structlog.get_logger(__name__)

BATCH = 500
_PAUSE = 0.2  # seconds between passes, for rows that were locked
_MOST_IDLE_PASSES = 25  # passes in a row that re-seal nothing

Blobs = list[tuple[Any, bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Broken:
    """A value that cannot be decrypted. `row` (or the name in an external store) and `owner` identify it.

    `reason` names the key.
    """

    column: str
    row: str
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.column} of row {self.row} ({self.owner}): {self.reason}"


@dataclass(slots=True)
class RotationResult:
    """Result of a rotation. `busy`: values whose rows stayed locked to the end.

    `unread` says why a store outside the database could not be reached. The next run handles both.
    """

    key_id: str
    resealed: int = 0
    busy: int = 0
    stopped: bool = False
    broken: list[Broken] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Watcher:
    """Callbacks of a run. `batch_done` gets the number of values examined; `stop` is called before every batch."""

    batch_done: Callable[[int], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


def stale() -> int:
    """How many values have to be re-sealed. Raises SealBroken when the ring is not the right one."""
    return sealed_counts.count().stale(keys.ring())


def run(*, actor: str, watcher: Watcher, batch: int = BATCH) -> RotationResult:
    """Rotate, with an audit entry before and after. Raises SealBroken when the ring is not the right one.

    The audit trail comes first: the newest key answers for it from then on (`core.audit.maintenance.reseal`).
    """
    ring, subject = keys.ring(), f"key:{keys.ring().newest}"
    if maintenance.sealed_by() not in (None, ring.newest):
        _reseal_trail(actor)
    audit.record("vault.rotation_started", actor=actor, subject=subject, ring=list(ring.ciphers))
    result = rotate(ring, watcher=watcher, batch=batch)
    action = "vault.rotation_stopped" if result.stopped else "vault.rotation_finished"
    counts = {"resealed": result.resealed, "busy": result.busy, "broken": len(result.broken)}
    audit.record(action, actor=actor, subject=subject, **counts)
    return result


def _reseal_trail(actor: str) -> None:
    failures = maintenance.reseal(actor=actor).failures
    if failures:
        log.error("audit.broken", first=str(failures[0]), flaws=len(failures), hint="manage.py audit verify")


def rotate(ring: KeyRing, *, watcher: Watcher, batch: int = BATCH) -> RotationResult:
    """Re-seal all columns and external stores until older keys seal nothing but broken values."""
    result, passes_left = RotationResult(key_id=ring.newest), _MOST_IDLE_PASSES
    while passes_left:
        before = result.resealed
        result.busy, result.broken, result.unread = 0, [], []
        for column in columns.registered():
            _pass_over(column, ring, batch, watcher, result)
        for store in external_values.registered():
            try:
                _pass_outside(store, ring, watcher, result)
            except StoreUnavailable as error:
                result.unread.append(f"{store.label}: {error}")
        if result.stopped or not result.busy:
            break
        passes_left = _MOST_IDLE_PASSES if result.resealed > before else passes_left - 1
        clock.sleep(_PAUSE)
    return result


def _pass_over(column: SealedColumn, ring: KeyRing, size: int, watcher: Watcher, result: RotationResult) -> None:
    for rows in _batches(column, ring.newest, size):
        if watcher.stop():
            result.stopped = True
            return
        blobs = list(_reseal(column, ring, rows, result.broken))
        swapped = _swap(column, blobs)
        result.resealed += swapped
        result.busy += len(blobs) - swapped
        watcher.batch_done(len(rows))


def _pass_outside(store: ExternalValues, ring: KeyRing, watcher: Watcher, result: RotationResult) -> None:
    """Re-seal the values of an external store one by one: they are few. Raises StoreUnavailable."""
    for value in store.values():
        if value.key_id == ring.newest:
            continue
        if watcher.stop():
            result.stopped = True
            return
        try:
            if value.binding is None:
                raise SealBroken("it cannot be read")
            new = resealed(ring, value.blob, value.binding)
        except SealBroken as error:
            result.broken.append(Broken(store.label, value.name, value.owner, str(error)))
        else:
            result.resealed += store.swap(value, new)
        watcher.batch_done(1)


def _batches(column: SealedColumn, newest: str, size: int) -> Iterator[list[Any]]:
    rows = list(column.stale(newest).order_by("pk")[:size])
    while rows:
        yield rows
        rows = list(column.stale(newest).filter(pk__gt=rows[-1].pk).order_by("pk")[:size])


def _reseal(
    column: SealedColumn, ring: KeyRing, rows: list[Any], broken: list[Broken]
) -> Iterator[tuple[Any, bytes, bytes]]:
    for row in rows:
        old, binding = column.value(row), column.binding(row)
        try:
            new = resealed(ring, old, binding)
        except SealBroken as error:
            broken.append(Broken(column.label, str(row.pk), ":".join(binding.owner), str(error)))
        else:
            yield row.pk, old, new


def _swap(column: SealedColumn, blobs: Blobs) -> int:
    """Swap the blobs of rows that are unchanged and that no other transaction has locked. Returns how many."""
    if not blobs:
        return 0
    connection = connections[router.db_for_write(column.model)]
    meta, quote = column.model._meta, connection.ops.quote_name  # noqa: SLF001 - documented by Django
    table, key, name = quote(meta.db_table), quote(str(meta.pk.column)), quote(column.column)
    statement = f"""
        WITH matching AS (
            SELECT t.{key} AS pk, w.new
            FROM unnest(%b::{meta.pk.rel_db_type(connection)}[], %b::bytea[], %b::bytea[]) AS w (pk, old, new)
            JOIN {table} t ON t.{key} = w.pk
            WHERE t.{name} = w.old FOR NO KEY UPDATE OF t SKIP LOCKED
        )
        UPDATE {table} t SET {name} = matching.new FROM matching WHERE t.{key} = matching.pk
    """  # noqa: S608 - identifiers of our models
    connection.ensure_connection()
    # A cursor of psycopg's own: Django's sends a blob as text inside the statement, which takes four times as long.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), [list(part) for part in zip(*blobs, strict=True)])
        return int(cursor.rowcount)
