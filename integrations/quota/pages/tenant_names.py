"""Names of tenants for the quota pages. This room knows ids only; a room above registers the names with `bring`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Names(Protocol):
    """Lookup of tenant names and ids."""

    def told(self, ids: Collection[str]) -> dict[str, str]:
        """The names by id, as far as they are known."""

    def fitting(self, term: str) -> list[str]:
        """The ids of the tenants whose name contains `term`."""


class _Unknown:
    def told(self, ids: Collection[str]) -> dict[str, str]:
        return {}

    def fitting(self, term: str) -> list[str]:
        return []


_names: Names = _Unknown()


def bring(names: Names) -> None:
    """Set the lookup of this process. Called once, from `AppConfig.ready`."""
    global _names  # noqa: PLW0603 - this room cannot import the one above it
    _names = names


def told(ids: Collection[str]) -> dict[str, str]:
    """The names by id, as far as they are known."""
    return _names.told(ids)


def fitting(term: str) -> list[str]:
    """The ids of the tenants whose name contains `term`."""
    return _names.fitting(term)
