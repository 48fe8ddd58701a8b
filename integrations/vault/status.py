"""Report of `manage.py vault status`: each key's role in the ring, how many values it seals, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.core.audit import maintenance
from integrations.vault import key_checks, keys
from integrations.vault.keys import KeyRing
from integrations.vault.sealed_counts import DAMAGED, SealedCounts, count

_ROLES = {
    "seals": "seals",
    "opens": "opens",
    "retirable": "unused, may be retired",
    "missing": "MISSING from VAULT_KEYS",
    "wrong": "ANOTHER KEY than before",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `role` is one of seals, opens, retirable, missing and wrong.

    `columns` counts its values by column, and those outside the database by store.
    """

    key_id: str
    role: str
    total: int
    columns: dict[str, int]

    @property
    def words(self) -> str:
        """The role as operators read it."""
        return _ROLES[self.role]


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """The report. `stale`: values that `vault rotate` has to re-seal. Any problem is a failure.

    `without_address`: those of them that an older release sealed without the address they are sent to.

    `retirable` keys may leave VAULT_KEYS, as far as this machine can see: a spool entry may be on another machine's
    disk only.
    """

    newest: str
    keys: list[Key]
    stale: int
    without_address: int
    damaged: int
    retirable: list[str]
    missing: list[str]
    problems: list[str]


def examine() -> VaultStatus:
    """Examine the ring and the stored values. A wrong or missing key raises nothing; the report names it."""
    ring, found = keys.unproven(), count()
    wrong, missing = key_checks.wrong_keys(ring), found.missing(ring)
    needed = {*wrong, maintenance.sealed_by()}  # the audit trail has to be sealed under a newer key first
    retirable = [key_id for key_id in found.unused(ring) if key_id not in needed]
    roles = dict.fromkeys(ring.ciphers, "opens") | {ring.newest: "seals"}
    for role, ids in {"retirable": retirable, "missing": missing, "wrong": wrong}.items():
        roles |= dict.fromkeys(ids, role)
    return VaultStatus(
        newest=ring.newest,
        keys=[_key(key_id, role, found) for key_id, role in roles.items()],
        stale=found.stale(ring),
        without_address=sum(found.without_address.values()),
        damaged=found.damaged,
        retirable=retirable,
        missing=missing,
        problems=list(_problems(wrong, missing, found, ring)),
    )


def _key(key_id: str, role: str, found: SealedCounts) -> Key:
    columns = {label: counts[key_id] for label, counts in found.by_column.items() if counts.get(key_id)}
    return Key(key_id, role, sum(columns.values()), columns)


def _problems(wrong: list[str], missing: list[str], found: SealedCounts, ring: KeyRing) -> Iterator[str]:
    for key_id in wrong:
        yield f"the key {key_id!r} is not the one that sealed the stored values: put the right one back"
    for key_id in missing:
        values = found.by_key[key_id]
        yield (
            f"the key {key_id!r} is missing and seals {values} values: put it back behind {ring.newest!r}, or, if it "
            f"is lost for good, run manage.py vault forget {key_id}"
        )
    for label, reason in found.unread.items():
        yield f"{label} cannot be counted, so no key may be retired: {reason}"
    if found.damaged:
        labels = sorted(label for label, counts in found.by_column.items() if counts.get(DAMAGED))
        yield f"{found.damaged} values are damaged: {', '.join(labels)}; `manage.py vault rotate` names their rows"
