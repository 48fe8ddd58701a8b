"""Compares all entries of the audit trail with their seals, with the sealed head, and with exported heads.

It reads every entry once, in the order of their numbers, and goes on after an entry that does not fit, so that each is
named. An operator who has found out what happened may accept it (`maintenance.accept`): what was found then is listed,
and no longer a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import QuerySet

from integrations.core import audit_seals
from integrations.core.audit import exported_heads
from integrations.core.audit.entries import HEAD_LOST
from integrations.core.audit.exported_heads import ExportedHead
from integrations.core.audit_seals import Standing, TrailHead
from integrations.core.models import AuditEntry

ACCEPTED = "audit.accepted"  # the action of the entry that `maintenance.accept` writes


@dataclass(frozen=True, slots=True)
class Flaw:
    """What does not fit. `number` of the entry in the trail, None for a head; `entry`: its id, None if it is gone."""

    what: str
    number: int | None = None
    entry: int | None = None
    is_accepted: bool = False

    def __str__(self) -> str:
        where = "" if self.number is None else f"entry {self.number}: "
        return where + self.what


@dataclass(slots=True)
class Examination:
    """What verification found. `keys`: entries by the key that sealed them; "" has those of the release before seals.

    `compared`: how many exported heads agree with the trail.
    """

    head: TrailHead | None
    entries: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    newest: AuditEntry | None = None

    @property
    def failures(self) -> list[Flaw]:
        """The flaws that no operator has accepted."""
        return [flaw for flaw in self.flaws if not flaw.is_accepted]

    @property
    def first_broken(self) -> int | None:
        """The id of the first entry that does not fit; for entries that are gone, of the next after the last one."""
        named = sorted((flaw for flaw in self.failures if flaw.number is not None), key=lambda flaw: flaw.number or 0)
        if not self.failures:
            return None
        entry = named[0].entry if named else None
        return entry if entry is not None else (self.newest.pk + 1 if self.newest else 1)


def verify() -> int | None:
    """Check the whole trail. Returns the id of the first entry that does not fit, or None when all fit."""
    return examine().first_broken


def examine(heads: Iterable[ExportedHead] = ()) -> Examination:
    """Check every entry, the head, the exported heads that the database remembers, and those in `heads`."""
    head = exported_heads.current()  # before the entries, which may go on meanwhile
    walk = _Walk(head, [*exported_heads.stored(), *heads])
    for entry in AuditEntry.objects.order_by("number").iterator(chunk_size=2000):
        walk.step(entry)
    walk.found.flaws += [*walk.about_the_end(exported_heads.current()), *walk.about_exports()]
    return walk.finished()


def is_genuine(entry: AuditEntry) -> bool:
    """Whether the entry's own seal proves it. One whose key was retired is proven by later entries alone."""
    return bytes(entry.hash) == entry.chain_value and _seal(entry) is Standing.GENUINE


def still_holds(begun: str, said: QuerySet[AuditEntry]) -> AuditEntry | None:
    """The newest entry with the action `begun`, unless a genuine entry of these came after it.

    So an attacker who writes to the database begins with an entry of theirs what holds something up, and ends nothing.
    """
    for entry in said.order_by("-number").iterator():
        if entry.action == begun:
            return entry
        if is_genuine(entry):
            return None
    return None


class _Walk:
    """One pass over the entries."""

    def __init__(self, head: TrailHead | None, exported: list[ExportedHead]) -> None:
        start = head if head and head.standing is Standing.GENUINE else TrailHead()
        self.found = Examination(head)
        self.exported = exported
        self._sealed_from = start.sealed_from
        self._number, self._value = start.base_number, start.base_value
        self._unproven: int | None = None  # the first entry since the last one with a listed key
        self._accepted: set[int] = set()  # numbers whose flaws a proven entry accepts
        self._accepted_at: datetime | None = None
        numbers = {one.head.number for one in exported if one.head} | ({head.number} if head else set())
        self._values: dict[int, bytes | None] = dict.fromkeys(numbers)
        self._values[start.base_number] = start.base_value
        self._base = start.base_number

    def step(self, entry: AuditEntry) -> None:
        """Check one entry and go on from it, whatever it is."""
        found = self.found
        if self._number == self._base and not found.entries and not found.head:
            self._number, self._value = entry.number - 1, bytes(entry.previous)  # nothing says where it begins
        found.entries += 1
        found.keys[entry.key_id] += 1
        found.flaws += [Flaw(what, entry.number, entry.pk) for what in self._flaws(entry)]
        if entry.action == ACCEPTED and is_genuine(entry):
            self._accepted |= {*entry.detail["numbers"], entry.number}
            self._accepted_at = entry.at
        self._number, self._value = entry.number, bytes(entry.hash)
        if entry.number in self._values:
            self._values[entry.number] = self._value
        found.newest = entry

    def _flaws(self, entry: AuditEntry) -> Iterator[str]:
        if entry.number != self._number + 1:
            yield _missing(self._number + 1, entry.number - 1)
        elif bytes(entry.previous) != self._value:
            yield "it does not follow the entry before it: one was removed, inserted, moved or changed"
        if bytes(entry.hash) != entry.chain_value:
            yield "it was changed after it was written"
        state = _seal(entry) if entry.key_id else Standing.UNKNOWN
        if not entry.key_id and entry.number >= self._sealed_from:
            yield "it has no seal: this application did not write it"
        if state is Standing.FORGED:
            since = "" if self._unproven is None else f", or one from {self._unproven} on was changed"
            yield f"its seal is not ours: it was rewritten or inserted{since}"
        elif entry.action == HEAD_LOST:
            yield "the head was missing or forged here: entries before it may have been cut off"
        self._unproven = (self._unproven or entry.number) if state is Standing.UNKNOWN else None

    def about_the_end(self, later: TrailHead | None) -> Iterator[Flaw]:
        """Compare the last entry with the head that was read before the entries, and with the one that is there now."""
        head, found, last = self.found.head, self.found, self._number
        if head is None:
            if found.entries:
                yield Flaw("the head is missing: entries at the end may be, too")
            return
        if head.standing is not Standing.GENUINE:
            yield Flaw(f"the head's seal is not proven ({head.standing.value})")
        elif head.number > last:
            yield Flaw(f"the end was cut off: {_missing(last + 1, head.number)}", last + 1)
        elif self._values.get(head.number) != head.value:
            yield Flaw("the head has another chain value for it", head.number)
        else:
            # Like the seal of an entry, the head's proves all before it.
            self._unproven = self._unproven if self._unproven and self._unproven > head.number else None
        if later is not None and head.number <= later.number < last:
            yield Flaw("the head does not know it: it was inserted", later.number + 1)
        if self._unproven is not None:
            lacking = ", ".join(key_id for key_id in sorted(found.keys) if key_id and not _is_listed(key_id))
            yield Flaw(f"from here on nothing is proven: VAULT_KEYS lacks {lacking or 'a key'}", self._unproven)

    def about_exports(self) -> Iterator[Flaw]:
        """Compare the exported heads with the entries."""
        for one in self.exported:
            head = one.head
            if head is None or head.standing is Standing.FORGED:
                yield Flaw(f"{one.source} is not a head of ours")
            elif head.number >= self._base and self._values.get(head.number) != head.value:
                accepted = self._accepted_at is not None and head.at is not None and head.at < self._accepted_at
                gone = head.number > self._number
                what = "it is missing" if gone else "it had another chain value"
                yield Flaw(f"{what}: {one.source} knows it from {head.at}", head.number, is_accepted=accepted)
            else:
                self.found.compared += 1

    def finished(self) -> Examination:
        """The result, with what was accepted marked, in the order of the entries."""
        flaws = [replace(one, is_accepted=True) if one.number in self._accepted else one for one in self.found.flaws]
        self.found.flaws = sorted(flaws, key=lambda one: (one.number is None, one.number or 0))
        return self.found


def _seal(entry: AuditEntry) -> Standing:
    return audit_seals.standing(entry.key_id, bytes(entry.seal or b""), entry.sealed_message)


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _is_listed(key_id: str) -> bool:
    return audit_seals.keys().mac(key_id, b"") is not None
