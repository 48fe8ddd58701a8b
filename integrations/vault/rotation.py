"""Key rotation: re-seals every sealed value under the newest key while the system keeps running.

1. Go through each table with registered columns by primary key and take a batch of rows with values that the newest key
   did not seal, or that an older release sealed without the address they are sent to.
2. Open and re-seal them here, with no transaction open and no row locked.
3. Swap them in by one UPDATE, each where the old blob still stands. A refresh or an install that came in between has
   written another blob (every seal has a nonce of its own), so its value is left alone: it is sealed newly anyway. All
   columns of a row are swapped together, because PostgreSQL writes a row anew for each UPDATE.

The rows are the only state. A run that stops or is killed loses nothing, and the next run continues with the rest; two
runs at once share the work. At each moment a value is sealed by the old or the new key, and the ring opens both.

Values outside the database (`vault.external_values`) are re-sealed where they are, as far as this machine reaches them.

The UPDATE waits for no lock: it skips rows that another transaction is writing, and the next pass handles them. What
waits for no lock is part of no deadlock, so a rotation never aborts a refresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

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

Pair = tuple[bytes, bytes]  # the blob as it was read, and the new one
_STAYS: Pair = (b"", b"")  # for a value that is current, broken or not there


@dataclass(frozen=True, slots=True)
class Resealed:
    """One row to write: its primary key, and a pair for each of its table's sealed columns."""

    pk: Any
    pairs: list[Pair]

    @property
    def values(self) -> int:
        """How many of its values are new."""
        return sum(bool(new) for _, new in self.pairs)


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


def is_needed() -> bool:
    """Whether an older key seals a value or the audit trail. Raises SealBroken when the ring is not the right one."""
    return stale() > 0 or maintenance.sealed_by() not in (None, keys.ring().newest)


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
        for own in columns.by_table():
            _pass_over(own, ring, batch, watcher, result)
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


def _pass_over(own: Sequence[SealedColumn], ring: KeyRing, size: int, watcher: Watcher, result: RotationResult) -> None:
    for rows in _batches(own, ring.newest, size):
        if watcher.stop():
            result.stopped = True
            return
        broken_before = len(result.broken)
        made = [Resealed(row.pk, [_reseal(column, ring, row, result.broken) for column in own]) for row in rows]
        values, swapped = sum(one.values for one in made), _swap(own, made)
        result.resealed += swapped
        result.busy += values - swapped
        watcher.batch_done(values + len(result.broken) - broken_before)


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


def _batches(own: Sequence[SealedColumn], newest: str, size: int) -> Iterator[list[Any]]:
    stale = columns.stale_rows(own, newest).order_by("pk")
    rows = list(stale[:size])
    while rows:
        yield rows
        rows = list(stale.filter(pk__gt=rows[-1].pk)[:size])


def _reseal(column: SealedColumn, ring: KeyRing, row: Any, broken: list[Broken]) -> Pair:
    if not column.is_stale(row, ring.newest):
        return _STAYS
    old, binding = column.value(row), column.binding(row)
    try:
        return old, resealed(ring, old, binding)
    except SealBroken as error:
        broken.append(Broken(column.label, str(row.pk), ":".join(binding.owner), str(error)))
        return _STAYS


def _swap(own: Sequence[SealedColumn], made: Sequence[Resealed]) -> int:
    """Swap the blobs that are unchanged, in rows that no other transaction has locked. Returns how many."""
    made = [one for one in made if one.values]
    if not made:
        return 0
    connection = connections[router.db_for_write(own[0].model)]
    blobs = [[one.pairs[n][side] for one in made] for n in range(len(own)) for side in (0, 1)]
    connection.ensure_connection()
    # A cursor of psycopg's own: Django's sends a blob as text inside the statement, which takes four times as long.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_statement(own, connection).encode(), [[one.pk for one in made], *blobs])
        return sum(values for (values,) in cursor)


def _statement(own: Sequence[SealedColumn], connection: BaseDatabaseWrapper) -> str:
    """The UPDATE. What a row holds is compared once it is locked: blobs are stored out of line, and reading one costs
    as much as writing one."""
    meta, quote = own[0].model._meta, connection.ops.quote_name  # noqa: SLF001 - documented by Django
    table, key, names = quote(meta.db_table), quote(str(meta.pk.column)), [quote(column.column) for column in own]
    numbers = range(len(own))
    given = ", ".join(f"old{n}, new{n}" for n in numbers)
    arrays = f"%b::{meta.pk.rel_db_type(connection)}[]" + ", %b::bytea[], %b::bytea[]" * len(own)
    unchanged = ", ".join(
        f"CASE WHEN w.new{n} <> ''::bytea AND t.{names[n]} = w.old{n} THEN w.new{n} END AS new{n}" for n in numbers
    )
    return f"""
        WITH matching AS (
            SELECT t.{key} AS pk, {unchanged}
            FROM unnest({arrays}) AS w (pk, {given})
            JOIN {table} t ON t.{key} = w.pk FOR NO KEY UPDATE OF t SKIP LOCKED
        )
        UPDATE {table} t SET {", ".join(f"{names[n]} = coalesce(m.new{n}, t.{names[n]})" for n in numbers)}
        FROM matching m WHERE t.{key} = m.pk AND coalesce({", ".join(f"m.new{n}" for n in numbers)}) IS NOT NULL
        RETURNING {" + ".join(f"(m.new{n} IS NOT NULL)::int" for n in numbers)}
    """  # noqa: S608 - identifiers of our models
