"""Verifies a loaded backup, for `backup verify` and `restore`: rows, sealed columns, audit trail, spool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from integrations.backups import spool_entries, tables
from integrations.backups.load import Loaded
from integrations.core.audit import exported_heads, verification
from integrations.core.audit.exported_heads import ExportedHead
from integrations.core.audit_seals import TrailHead
from integrations.core.errors import SealBroken
from integrations.vault import columns, key_checks, keys, sealed_counts
from integrations.vault.columns import SealedColumn
from integrations.vault.keys import KeyRing
from integrations.vault.seal import unseal_anywhere

SAMPLE = 50  # values of each sealed column


@dataclass(slots=True)
class Proof:
    """What was compared. `opened`: sealed values by column; `faults`: what does not fit, empty for a good backup."""

    rows: int
    opened: dict[str, int] = field(default_factory=dict)
    entries: int = 0  # of the audit trail
    faults: list[str] = field(default_factory=list)


def prove(loaded: Loaded) -> Proof:
    """Compare the database with what the backup said. The plaintext of sealed values is discarded."""
    proof = Proof(sum(loaded.rows.values()))
    proof.faults += _lost_rows(loaded)
    ring = keys.unproven()
    try:
        key_checks.prove(ring)
        sealed_counts.require(ring)
    except SealBroken as error:
        proof.faults.append(str(error))
    for column in columns.registered():
        proof.opened[column.label], broken = _sample(ring, column)
        proof.faults += broken
    proof.faults += [f"spool: {name} is damaged" for name in spool_entries.unreadable(loaded.spool)]
    _prove_trail(loaded, proof)
    return proof


def _lost_rows(loaded: Loaded) -> Iterator[str]:
    """Migrations since the backup may add rows, and may remove tables."""
    present = {table.name: table for table in tables.every()}
    for name, rows in loaded.rows.items():
        if name in present and tables.count(present[name]) < rows:
            yield f"{name} has fewer than {rows} rows"


def _sample(ring: KeyRing, column: SealedColumn) -> tuple[int, list[str]]:
    opened, broken = 0, []
    for row in column.rows().order_by("-pk")[:SAMPLE]:
        if _opens(ring, column, row):
            opened += 1
        else:
            broken.append(f"{column.label} of row {row.pk} does not open")
    return opened, broken


def _opens(ring: KeyRing, column: SealedColumn, row: object) -> bool:
    try:
        unseal_anywhere(ring, column.value(row), column.binding(row))
    except SealBroken:
        return False
    return True


def _prove_trail(loaded: Loaded, proof: Proof) -> None:
    said = loaded.manifest["audit_head"]
    heads = [ExportedHead(TrailHead.from_json(said), "the backup")] if said else []
    found = verification.examine(heads)
    proof.entries = found.entries
    proof.faults += [f"audit trail: {flaw}" for flaw in found.failures]
    if said and exported_heads.current() is None:
        proof.faults.append("audit trail: its head is missing")
