"""Registers the spool with the vault: counts keys, re-seals entries, and removes entries whose key is lost.

Waiting entries and entries set aside count alike, in Redis and on this machine's disk. The disks of other machines
cannot be read from here; an entry is only on such a disk if Redis was away too when it was written.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core import audit
from integrations.core.errors import StoreUnavailable
from integrations.tokens.spool.backends import BACKENDS, FAILURES, SpoolBackend
from integrations.vault import external_values, forget
from integrations.vault.external_values import SealedValue
from integrations.vault.seal import Binding

LABEL = "tokens.spool"
REMOVED = "removed"


class Spool:
    """`ExternalValues` and `forget.LostKeyHandler` of the spool."""

    label = LABEL

    def values(self) -> Iterator[SealedValue]:
        """Every entry once, or twice when its copies differ. Raises StoreUnavailable."""
        seen: set[tuple[str, bytes]] = set()
        for _, _, held in _copies():
            if (held.name, held.blob) not in seen:
                seen.add((held.name, held.blob))
                yield held

    def swap(self, held: SealedValue, blob: bytes) -> bool:
        """Swap it in every backend that has it. An entry committed meanwhile may reappear: that changes nothing."""
        swapped = False
        for backend, aside in _sides():
            with _answering(backend):
                text = backend.text(held.name, aside=aside)
                if text is not None and _held(held.name, text).blob == held.blob:
                    backend.put(held.name, _with(text, blob), aside=aside)
                    swapped = True
        return swapped

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Remove the entries that only this key opens. Raises StoreUnavailable."""
        lost = [(backend, aside, held) for backend, aside, held in _copies() if held.key_id == key_id]
        for name, owner in sorted({(held.name, held.owner) for _, _, held in lost}):
            audit.record("spool.key_lost", actor=actor, subject=owner, entry=name, key_id=key_id)
        for backend, aside, held in lost:
            with _answering(backend):
                backend.remove(held.name, aside=aside)
        return Counter({REMOVED: len({held.name for _, _, held in lost})} if lost else {})


def register() -> None:
    """Register the spool with the vault. Called once at start-up."""
    spool = Spool()
    external_values.register(spool)
    forget.register(spool)


def _copies() -> Iterator[tuple[SpoolBackend, bool, SealedValue]]:
    for backend, aside in _sides():
        with _answering(backend):
            found = backend.look(aside=aside)
        for name, reason in found.unreadable.items():
            raise StoreUnavailable(f"the spool's {backend.name} does not give {name} ({reason})")
        for name, text in sorted(found.texts.items()):
            yield backend, aside, _held(name, text)


def _sides() -> Iterator[tuple[SpoolBackend, bool]]:
    return ((backend, aside) for backend in BACKENDS for aside in (False, True))


def _held(name: str, text: bytes) -> SealedValue:
    try:
        raw = json.loads(text)
        bound = raw["bound"]
        binding = Binding(tuple(map(str, bound["owner"])), str(bound["field"]), int(bound["generation"]))
        return SealedValue(name, base64.b64decode(raw["grant"]), binding, ":".join(binding.owner))
    except (ValueError, KeyError, TypeError):
        return SealedValue(name, b"", None, "unreadable")


def _with(text: bytes, blob: bytes) -> bytes:
    return json.dumps(json.loads(text) | {"grant": base64.b64encode(blob).decode()}).encode()


@contextmanager
def _answering(backend: SpoolBackend) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise StoreUnavailable(f"the spool's {backend.name} does not answer ({type(error).__name__})") from error
