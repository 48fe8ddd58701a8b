"""Sealed values that stand in no column: what the rooms above keep in files or in Redis, to be counted and re-sealed.

A room hands over each such place in its AppConfig.ready(), as it does its columns. A place may be away, or in part on
another machine. Away is told, for a key must not be called unneeded because nobody could look; what lies on another
machine's disk can be counted there only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from integrations.core.errors import SealBroken
from integrations.vault.seal import Binding, key_id_of


@dataclass(frozen=True, slots=True)
class Held:
    """One sealed value: `name` identifies it within its place, `owner` says whose it is, by identifiers only.

    `binding` is None, and `blob` empty, where what is kept cannot be read.
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


class Place(Protocol):
    """`label` stands in reports beside the columns' labels."""

    label: str

    def values(self) -> Iterator[Held]:
        """All that is kept. Raises StoreUnavailable when that cannot be told, in whole or in part."""

    def swap(self, held: Held, blob: bytes) -> bool:
        """Put `blob` where the old one still stands. False when it does not. Raises StoreUnavailable."""


_registered: dict[str, Place] = {}


def register(place: Place) -> None:
    """Make a place known to the census and the rotation."""
    _registered[place.label] = place


def registered() -> tuple[Place, ...]:
    return tuple(_registered.values())
