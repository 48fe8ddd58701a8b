"""The spool as the vault sees it: which keys its entries need, their re-sealing, and their end when a key is lost.

What waits and what was set aside counts alike, in Redis and on this machine's disk. The disk of another machine cannot
be seen from here: an entry lies there alone only if Redis was away too when it was written.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core import audit
from integrations.core.errors import StoreUnavailable
from integrations.tokens.spool.backends import FAILURES, PLACES, Place
from integrations.vault import forget, outside
from integrations.vault.outside import Held
from integrations.vault.seal import Binding

LABEL = "tokens.spool"
REMOVED = "removed"


class Spool:
    """`outside.Place` and `forget.Keeper`."""

    label = LABEL

    def values(self) -> Iterator[Held]:
        """Every entry once, or twice where its copies differ. Raises StoreUnavailable."""
        seen: set[tuple[str, bytes]] = set()
        for _, _, held in _copies():
            if (held.name, held.blob) not in seen:
                seen.add((held.name, held.blob))
                yield held

    def swap(self, held: Held, blob: bytes) -> bool:
        """In every place that has it. An entry that is committed meanwhile may come back: that changes nothing."""
        swapped = False
        for place, aside in _sides():
            with _told(place):
                text = place.text(held.name, aside=aside)
                if text is not None and _held(held.name, text).blob == held.blob:
                    place.put(held.name, _with(text, blob), aside=aside)
                    swapped = True
        return swapped

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Remove the entries that only this key opens. Raises StoreUnavailable."""
        lost = [(place, aside, held) for place, aside, held in _copies() if held.key_id == key_id]
        for name, owner in sorted({(held.name, held.owner) for _, _, held in lost}):
            audit.record("spool.key_lost", actor=actor, subject=owner, entry=name, key_id=key_id)
        for place, aside, held in lost:
            with _told(place):
                place.remove(held.name, aside=aside)
        return Counter({REMOVED: len({held.name for _, _, held in lost})} if lost else {})


def register() -> None:
    spool = Spool()
    outside.register(spool)
    forget.register(spool)


def _copies() -> Iterator[tuple[Place, bool, Held]]:
    for place, aside in _sides():
        with _told(place):
            found = place.look(aside=aside)
        for name, reason in found.unreadable.items():
            raise StoreUnavailable(f"the spool's {place.name} does not give {name} ({reason})")
        for name, text in sorted(found.texts.items()):
            yield place, aside, _held(name, text)


def _sides() -> Iterator[tuple[Place, bool]]:
    return ((place, aside) for place in PLACES for aside in (False, True))


def _held(name: str, text: bytes) -> Held:
    try:
        raw = json.loads(text)
        bound = raw["bound"]
        binding = Binding(tuple(map(str, bound["owner"])), str(bound["field"]), int(bound["generation"]))
        return Held(name, base64.b64decode(raw["grant"]), binding, ":".join(binding.owner))
    except (ValueError, KeyError, TypeError):
        return Held(name, b"", None, "unreadable")


def _with(text: bytes, blob: bytes) -> bytes:
    return json.dumps(json.loads(text) | {"grant": base64.b64encode(blob).decode()}).encode()


@contextmanager
def _told(place: Place) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise StoreUnavailable(f"the spool's {place.name} does not answer ({type(error).__name__})") from error
