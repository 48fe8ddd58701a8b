"""Deletes the values that a lost key sealed, so that processes can start without it.

Nothing is opened, because nothing can be. Each room above registers a handler that decides what becomes of its values.
It empties the columns, writes the reason and the remedy to the row, and writes an audit entry for each. A batch is one
transaction, and the values are the only state: after an interruption the next run continues, and a run after a complete
one finds nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.vault import keys, sealed_counts
from integrations.vault.rotation import Watcher

_PAUSE = 0.2  # seconds between passes, for rows that another transaction is writing
_MOST_IDLE_PASSES = 25  # passes in a row that delete nothing


class LostKeyHandler(Protocol):
    """Deletes the values of one room when their key is lost. `label` names it in reports."""

    label: str

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete one batch. Returns counts by outcome, empty when no value is left or none can be locked.

        Raises StoreUnavailable.
        """


@dataclass(slots=True)
class ForgetResult:
    """Result of a run. `ends`: counts by handler and outcome; `left`: values that the key still seals."""

    key_id: str
    ends: dict[str, dict[str, int]] = field(default_factory=dict)
    left: int = 0
    stopped: bool = False
    unread: list[str] = field(default_factory=list)


_registered: dict[str, LostKeyHandler] = {}


def register(handler: LostKeyHandler) -> None:
    """Register the handler of a room that keeps sealed values."""
    _registered[handler.label] = handler


def values_under(key_id: str) -> dict[str, int]:
    """How many values the lost key seals, by label. Raises BadRequest for a key that the ring has."""
    if not keys.is_id(key_id):
        raise BadRequest(f"{key_id!r} is not the id of a key")
    if key_id in keys.unproven().ciphers:
        raise BadRequest(
            f"the key {key_id!r} is in VAULT_KEYS: use `manage.py vault rotate`, then take it out of VAULT_KEYS "
            "(if it is another key than the one that sealed, take it out first)"
        )
    found = sealed_counts.count()
    return {label: counts[key_id] for label, counts in found.by_column.items() if counts.get(key_id)}


def run(key_id: str, *, actor: str, watcher: Watcher = Watcher()) -> ForgetResult:  # noqa: B008 - frozen
    """Delete all values that the key sealed. Raises BadRequest for a key that the ring has."""
    result, subject = ForgetResult(key_id), f"key:{key_id}"
    if counts := values_under(key_id):
        audit.record("vault.forget_started", actor=actor, subject=subject, held=counts)
    passes_left = _MOST_IDLE_PASSES
    while passes_left:
        moved = _pass(result, actor, watcher)
        found = sealed_counts.count()
        result.left = found.by_key[key_id]
        result.unread = [f"{label}: {reason}" for label, reason in found.unread.items()]
        if not result.left or result.stopped:
            break
        passes_left = _MOST_IDLE_PASSES if moved else passes_left - 1
        clock.sleep(_PAUSE)
    if result.ends:
        audit.record("vault.forget_finished", actor=actor, subject=subject, ends=result.ends, left=result.left)
    return result


def _pass(result: ForgetResult, actor: str, watcher: Watcher) -> bool:
    """One batch after another of every handler. Whether anything was deleted."""
    moved = False
    for handler in _registered.values():
        try:
            while not (stopped := watcher.stop()) and (ends := handler.forget(result.key_id, actor=actor)):
                moved = True
                result.ends[handler.label] = dict(Counter(result.ends.get(handler.label, {})) + ends)
                watcher.batch_done(ends.total())
            result.stopped |= stopped
        except StoreUnavailable:
            continue  # the counts of sealed values reports the store as unread
    return moved
