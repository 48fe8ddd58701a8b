"""Names of tenants for the quota pages. This room knows ids only; a room above registers the names with `use`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Names(Protocol):
    """Lookup of tenant names and ids."""

    def by_id(self, ids: Collection[str]) -> dict[str, str]:
        """The known names by id."""

    def search(self, text: str) -> list[str]:
        """The ids of the tenants with `text` in their names."""


class _Unknown:
    def by_id(self, ids: Collection[str]) -> dict[str, str]:
        return {}

    def search(self, text: str) -> list[str]:
        return []


_names: Names = _Unknown()


def use(names: Names) -> None:
    """Set the lookup of this process. Called once, from `AppConfig.ready`."""
    global _names  # noqa: PLW0603 - this room cannot import the one above it
    _names = names


def by_id(ids: Collection[str]) -> dict[str, str]:
    """The known names by id."""
    return _names.by_id(ids)


def search(text: str) -> list[str]:
    """The ids of the tenants with `text` in their names."""
    return _names.search(text)
