"""Registry of sealed values outside the database (files, Redis), which the counts and the rotation of keys take in.

A room registers each such store in its AppConfig.ready(), as it does its sealed columns. A store may be unreachable, or
partly on another machine. It reports that it is unreachable, because a key must not be called unused when nothing could
be read. Values on another machine's disk can be counted only there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from integrations.core.errors import SealBroken
from integrations.vault.seal import Binding, key_id_of


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One sealed value: `name` identifies it within its store, `owner` names its tenant by identifiers only.

    `binding` is None, and `blob` empty, when the stored entry cannot be read.
    """

    name: str
    blob: bytes
    binding: Binding | None
    owner: str

    @property
    def key_id(self) -> str | None:
        """The id of the key that sealed it; None when it has no header of ours."""
        try:
            return key_id_of(self.blob)
        except SealBroken:
            return None


class ExternalValues(Protocol):
    """A store of sealed values outside the database. `label` names it in reports, beside the columns' labels."""

    label: str

    def values(self) -> Iterator[SealedValue]:
        """All values of the store. Raises StoreUnavailable when they cannot be read, in whole or in part."""

    def swap(self, value: SealedValue, blob: bytes) -> bool:
        """Replace the blob of `value` by `blob`, if it is unchanged. False when it is not. Raises StoreUnavailable."""


_registered: dict[str, ExternalValues] = {}


def register(store: ExternalValues) -> None:
    """Make a store known to the counts and the rotation."""
    _registered[store.label] = store


def registered() -> tuple[ExternalValues, ...]:
    """All registered stores."""
    return tuple(_registered.values())
