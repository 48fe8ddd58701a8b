"""Gives up the values that a lost key sealed, so that processes can start without it.

Nothing is opened, for nothing can be. The rooms above hand over what has to become of their values: they empty the
columns, say in the row why and what to do, and leave an entry in the audit trail for each. A batch is one transaction,
and the values are the only state: whoever stops is continued by the next run, and a second run finds nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.vault import census, keys
from integrations.vault.rotation import Watcher

_PAUSE = 0.2  # seconds between passes, for rows that somebody is writing
_PATIENCE = 25  # passes in a row that move nothing


class LostKeyHandler(Protocol):
    """Gives up the values of one room when their key is lost. `label` names it in reports."""

    label: str

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Give up one batch; how many came to which end, nothing when there is (or can be had) no more.

        Raises StoreUnavailable.
        """


@dataclass(slots=True)
class Outcome:
    """`ends` says how many values of each handler came to which end; `left` values still stand under the key."""

    key_id: str
    ends: dict[str, dict[str, int]] = field(default_factory=dict)
    left: int = 0
    stopped: bool = False
    unread: list[str] = field(default_factory=list)


_registered: dict[str, LostKeyHandler] = {}


def register(handler: LostKeyHandler) -> None:
    """Whoever keeps sealed values says here what becomes of them without their key."""
    _registered[handler.label] = handler


def held(key_id: str) -> dict[str, int]:
    """What the key holds, by label. Raises BadRequest for a key that is here."""
    if not keys.is_id(key_id):
        raise BadRequest(f"{key_id!r} is not the id of a key")
    if key_id in keys.unproven().ciphers:
        raise BadRequest(
            f"the key {key_id!r} is here: use `manage.py vault rotate`, then take it out of VAULT_KEYS "
            "(if it is another key than the one that sealed, take it out first)"
        )
    found = census.count()
    return {label: counts[key_id] for label, counts in found.by_column.items() if counts.get(key_id)}


def run(key_id: str, *, actor: str, watcher: Watcher = Watcher()) -> Outcome:  # noqa: B008 - frozen
    """Give up all that the key sealed. Raises BadRequest for a key that is here."""
    outcome, subject = Outcome(key_id), f"key:{key_id}"
    if counts := held(key_id):
        audit.record("vault.forget_started", actor=actor, subject=subject, held=counts)
    patience = _PATIENCE
    while patience:
        moved = _pass(outcome, actor, watcher)
        found = census.count()
        outcome.left, outcome.unread = found.by_key[key_id], [f"{k}: {why}" for k, why in found.unread.items()]
        if not outcome.left or outcome.stopped:
            break
        patience = _PATIENCE if moved else patience - 1
        clock.sleep(_PAUSE)
    if outcome.ends:
        audit.record("vault.forget_finished", actor=actor, subject=subject, ends=outcome.ends, left=outcome.left)
    return outcome


def _pass(outcome: Outcome, actor: str, watcher: Watcher) -> bool:
    """Whether anything was given up."""
    moved = False
    for handler in _registered.values():
        try:
            while not (stopped := watcher.stop()) and (ends := handler.forget(outcome.key_id, actor=actor)):
                moved = True
                outcome.ends[handler.label] = dict(Counter(outcome.ends.get(handler.label, {})) + ends)
                watcher.batch_done(ends.total())
            outcome.stopped |= stopped
        except StoreUnavailable:
            continue  # the census says so too
    return moved
