"""Scopes as a person reads them: one line per kind of data, and whether it is read or changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django import template

register = template.Library()

_READS = frozenset({"readonly", "read"})
_WRITES = frozenset({"write"})
# Of the connection itself, not of anybody's data.
_NAMES = {"oauth": "connection to your accounts"}


@dataclass(slots=True)
class Group:
    """One kind of data; `parts` are what the scopes narrow it to, such as tags or custom fields."""

    name: str
    read: bool = False
    write: bool = False
    parts: list[str] = field(default_factory=list)


@register.filter
def scope_groups(scopes: Iterable[str]) -> list[Group]:
    """Groups of scopes such as `contacts.readonly` and `locations/customFields.write`."""
    groups: dict[str, Group] = {}
    for scope in sorted(scopes):
        place, _, right = scope.rpartition(".")
        kind, _, part = (place or scope).partition("/")
        group = groups.setdefault(kind, Group(_NAMES.get(kind, _words(kind))))
        group.read = group.read or right in _READS or right not in _WRITES
        group.write = group.write or right in _WRITES
        if part and _words(part) not in group.parts:
            group.parts.append(_words(part))
    return sorted(groups.values(), key=lambda group: (group.name in _NAMES.values(), group.name))


def _words(name: str) -> str:
    """`customFields`, `saas-plan` and `custom_menu` as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[-_/]+", " ", name).lower()
