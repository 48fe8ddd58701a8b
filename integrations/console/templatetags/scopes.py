"""Template filter that groups OAuth scopes by kind of data, with read and write access, for the install page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django import template

register = template.Library()

_READS = frozenset({"readonly", "read"})
_WRITES = frozenset({"write"})
# Scopes of the connection itself, not of data.
_NAMES = {"oauth": "connection to your accounts"}


@dataclass(slots=True)
class ScopeGroup:
    """The scopes of one kind of data; `parts` are subsets such as tags or custom fields."""

    name: str
    read: bool = False
    write: bool = False
    parts: list[str] = field(default_factory=list)


@register.filter
def scope_groups(scopes: Iterable[str]) -> list[ScopeGroup]:
    """Groups of scopes such as `contacts.readonly` and `locations/customFields.write`."""
    groups: dict[str, ScopeGroup] = {}
    for scope in sorted(scopes):
        subject, _, right = scope.rpartition(".")
        kind, _, part = (subject or scope).partition("/")
        group = groups.setdefault(kind, ScopeGroup(_NAMES.get(kind, _words(kind))))
        group.read = group.read or right in _READS or right not in _WRITES
        group.write = group.write or right in _WRITES
        if part and _words(part) not in group.parts:
            group.parts.append(_words(part))
    return sorted(groups.values(), key=lambda group: (group.name in _NAMES.values(), group.name))


def _words(name: str) -> str:
    """`customFields`, `saas-plan` and `custom_menu` as lower-case words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[-_/]+", " ", name).lower()
