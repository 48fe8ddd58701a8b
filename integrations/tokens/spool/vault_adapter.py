"""Registers the spool with the vault: counts keys, re-seals entries, and removes entries whose key is lost.

Waiting entries and entries set aside count alike, in Redis and on this machine's disk. The disks of other machines
cannot be read from here; an entry is only on such a disk if Redis was unavailable too when it was written.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core import audit
from integrations.core.errors import StoreUnavailable
from integrations.core.texts import storable
from integrations.tokens.spool import spool
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
        for _, _, value in _copies():
            if (value.name, value.blob) not in seen:
                seen.add((value.name, value.blob))
                yield value

    def swap(self, value: SealedValue, blob: bytes) -> bool:
        """Swap it in every backend that has it. An entry committed meanwhile may reappear: that changes nothing."""
        swapped = False
        for backend, aside in _stores():
            with _answering(backend):
                text = backend.text(value.name, aside=aside)
                if text is not None and _parsed(value.name, text).blob == value.blob:
                    backend.put(value.name, _with(text, blob), aside=aside)
                    swapped = True
        return swapped

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Remove the entries that only this key opens. Raises StoreUnavailable."""
        lost = [(backend, aside, value) for backend, aside, value in _copies() if value.key_id == key_id]
        for name, owner in sorted({(value.name, value.owner) for _, _, value in lost}):
            named = {"subject": storable(owner)[:200], "entry": storable(name)}
            audit.record("spool.key_lost", actor=actor, key_id=key_id, **named)
        for backend, aside, value in lost:
            with _answering(backend):
                backend.remove(value.name, aside=aside)
        return Counter({REMOVED: len({value.name for _, _, value in lost})} if lost else {})


def register() -> None:
    """Register the spool with the vault. Called once at start-up."""
    adapter = Spool()
    external_values.register(adapter)
    forget.register(adapter)


def _copies() -> Iterator[tuple[SpoolBackend, bool, SealedValue]]:
    for backend, aside in _stores():
        with _answering(backend):
            found = backend.look(aside=aside)
        for name, reason in found.unreadable.items():
            raise StoreUnavailable(f"the spool's {backend.name} could not read {name} ({reason})")
        for name, text in sorted(found.texts.items()):
            yield backend, aside, _parsed(name, text)


def _stores() -> Iterator[tuple[SpoolBackend, bool]]:
    return ((backend, aside) for backend in BACKENDS for aside in (False, True))


def _parsed(name: str, text: bytes) -> SealedValue:
    try:
        entry, stored = spool.read(name, text), spool.fields(text)["bound"]
        binding = Binding(tuple(map(str, stored["owner"])), str(stored["field"]), int(stored["generation"]))
        binding.encode()  # who writes to Redis chooses texts that no encoding takes
        return SealedValue(name, entry.sealed, spool.bound(binding, entry), ":".join(binding.owner))
    except (ValueError, KeyError, TypeError, OverflowError):
        return SealedValue(name, b"", None, "unreadable")


def _with(text: bytes, blob: bytes) -> bytes:
    return json.dumps(spool.fields(text) | {"grant": base64.b64encode(blob).decode()}).encode()


@contextmanager
def _answering(backend: SpoolBackend) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise StoreUnavailable(f"the spool's {backend.name} does not answer ({type(error).__name__})") from error
