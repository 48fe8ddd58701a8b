"""Counts sealed values by key id, from their headers (columns in the database); nothing is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from integrations.core.errors import SealBroken, StoreUnavailable
from integrations.vault import columns, external_values
from integrations.vault.keys import KeyRing

log = structlog.get_logger(__name__)

DAMAGED = ""  # stands for the key id of a value without a header of ours; no key has it


@dataclass(frozen=True, slots=True)
class SealedCounts:
    """Values by label (of a column or of an external store) and key id.

    `unread` says by label why a store could not be counted. `without_address` counts by key id the values that an older
    release sealed without the address they are sent to.
    """

    by_column: Mapping[str, Mapping[str, int]]
    unread: Mapping[str, str] = field(default_factory=dict)
    without_address: Mapping[str, int] = field(default_factory=dict)

    @property
    def by_key(self) -> Counter[str]:
        """Values by key id, over all columns and stores."""
        total: Counter[str] = Counter()
        for counts in self.by_column.values():
            total.update(counts)
        return total

    @property
    def damaged(self) -> int:
        """Values without a readable header."""
        return self.by_key[DAMAGED]

    def stale(self, ring: KeyRing) -> int:
        """How many values still have to be re-sealed: under the newest key, or for their address."""
        older = sum(count for key_id, count in self.by_key.items() if key_id != ring.newest)
        return older + self.without_address.get(ring.newest, 0)

    def missing(self, ring: KeyRing) -> list[str]:
        """Key ids in use that the ring lacks."""
        return sorted(self.by_key.keys() - ring.ciphers.keys() - {DAMAGED})

    def unused(self, ring: KeyRing) -> list[str]:
        """Key ids of the ring, except the sealing one, that seal no value; none while a store cannot be counted."""
        if self.unread:
            return []
        return [key_id for key_id in ring.ciphers if key_id != ring.newest and not self.by_key[key_id]]


def count() -> SealedCounts:
    """Count each sealed column and each external store in one pass."""
    counts: dict[str, Counter[str]] = {}
    without_address: Counter[str] = Counter()
    for column in columns.registered():
        found = counts[column.label] = Counter[str]()
        for raw, lacks_address, number in column.counts():
            found[_text(raw)] += number
            without_address[_text(raw)] += number if lacks_address else 0
    unread: dict[str, str] = {}
    for store in external_values.registered():
        try:
            counts[store.label] = Counter(value.key_id or DAMAGED for value in store.values())
        except StoreUnavailable as error:
            unread[store.label] = str(error)
    return SealedCounts(counts, unread, without_address)


def require(ring: KeyRing) -> None:
    """Raises SealBroken, naming the keys in use that the ring lacks."""
    found = count()
    for label, reason in found.unread.items():
        log.warning("vault.uncounted", store=label, reason=reason)
    missing = found.missing(ring)
    if missing:
        lost = ", ".join(f"{key_id!r} ({found.by_key[key_id]} values)" for key_id in missing)
        raise SealBroken(
            f"VAULT_KEYS lacks keys that sealed what is stored: {lost}: put them back at the end of the list, "
            "or, if one is lost for good, delete what it sealed: manage.py vault forget KEY_ID",
            key_ids=missing,
        )


def _text(raw: bytes | memoryview | None) -> str:
    return DAMAGED if raw is None else bytes(raw).decode(errors="replace")
