"""`FieldChoice`: which top-level fields of a resource's records are kept. Pure: a value and its text.

A plan stores it as JSON: `{}` for all fields, `{"only": [names]}` or `{"without": [names]}`. With `only` a field that
the vendor adds later is left out, with `without` it is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.core.errors import BadRequest
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.resources.sealable import PLAIN

ALL, ONLY, WITHOUT = "all", "only", "without"
MOST_NAMES, LONGEST_NAME = 200, 100


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """The choice: `how` is ALL, ONLY or WITHOUT these names."""

    how: str = ALL
    names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> FieldChoice:
        """From `all`, `only a, b` or `without a, b`. Raises BadRequest for other texts."""
        how, _, rest = text.strip().partition(" ")
        names = frozenset(rest.replace(",", " ").split())
        if how.lower() in ("", ALL) and not names:
            return cls()
        if how.lower() not in (ONLY, WITHOUT) or not names:
            raise BadRequest("fields are `all`, or `only` or `without` with names, such as: without email phone")
        if len(names) > MOST_NAMES or max(map(len, names)) > LONGEST_NAME or not all(map(str.isprintable, names)):
            raise BadRequest(f"name {MOST_NAMES} fields at most, each of {LONGEST_NAME} printable characters at most")
        return cls(how.lower(), names)

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> FieldChoice:
        """From what a plan stores."""
        how = next(iter(stored), ALL)
        return cls(how, frozenset(stored.get(how, ())))

    @property
    def json(self) -> dict[str, list[str]]:
        """As a plan stores it."""
        return {} if self.how == ALL else {self.how: sorted(self.names)}

    @property
    def text(self) -> str:
        """As `parse` takes it, and people read it."""
        return self.how if self.how == ALL else f"{self.how} {', '.join(sorted(self.names))}"

    def keeps(self, name: str, always: frozenset[str]) -> bool:
        """Whether a record is stored with this field. `always` are the fields that are `needed`."""
        return self.how == ALL or name in always or (name in self.names) == (self.how == ONLY)

    def kept(self, payload: Mapping[str, Any], always: frozenset[str]) -> dict[str, Any]:
        """The fields of a payload that are stored."""
        return {name: value for name, value in payload.items() if self.keeps(name, always)}

    def is_within(self, other: FieldChoice) -> bool:
        """Whether the other choice keeps all that this one keeps, so that nothing has to be read again."""
        if other.how == ALL or self == other:
            return True
        if self.how == ONLY:
            return self.names <= other.names if other.how == ONLY else not self.names & other.names
        return self.how == WITHOUT and other.how == WITHOUT and other.names <= self.names


EVERYTHING = FieldChoice()


def needed(resource: Resource) -> frozenset[str]:
    """The fields that no choice leaves out.

    They place the record, say whose it is, or are what its children, its own look-up and its purge are found by.
    """
    found = set(PLAIN) | set(resource.single.others.values() if resource.single else ())
    found |= {resource.windows.places} if resource.windows else set()
    found |= {resource.below.named or resource.below.parameter} if resource.below else set()
    below = (one.below for one in RESOURCES.values() if one.below and one.below.resource.name == resource.name)
    for child in below:
        found |= {child.field, child.unless} - {""}
    return frozenset(found)


def check(choice: FieldChoice, resource: str, known: Collection[str]) -> None:
    """Raise BadRequest for a choice that cannot count: of a field that is needed, or that is unknown.

    `known` are the fields that the vendor describes for the resource, or that its records have.
    """
    if choice.how == WITHOUT and (kept := sorted(choice.names & needed(RESOURCES[resource]))):
        raise BadRequest(f"{', '.join(kept)} of {resource} cannot be left out: the sync finds and purges records by it")
    if unknown := sorted(choice.names - set(known) - needed(RESOURCES[resource])):
        raise BadRequest(
            f"{resource} has no field {', '.join(unknown)}; it has {', '.join(sorted(known)) or 'none yet'}"
        )
