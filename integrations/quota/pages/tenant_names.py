"""What the quota's resources are called. This room knows their ids alone: a room above, which knows the names, brings
them (`bring`), so that operators read and search what they say themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Names(Protocol):
    def told(self, ids: Collection[str]) -> dict[str, str]:
        """The names by their ids, as far as they are known."""

    def fitting(self, term: str) -> list[str]:
        """The ids of the places whose name holds `term`."""


class _Unknown:
    def told(self, ids: Collection[str]) -> dict[str, str]:
        return {}

    def fitting(self, term: str) -> list[str]:
        return []


_names: Names = _Unknown()


def bring(names: Names) -> None:
    """From now on these are the names. Called once, when the rooms are ready."""
    global _names  # noqa: PLW0603 - this room cannot import the one above it
    _names = names


def told(ids: Collection[str]) -> dict[str, str]:
    return _names.told(ids)


def fitting(term: str) -> list[str]:
    return _names.fitting(term)
