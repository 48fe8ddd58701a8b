"""Groups of parameters and fields of which one is needed, and pairs that exclude each other, as descriptions say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

_LIST = r"(\w+(?:, ?\w+)*,? or \w+)"
_GIVEN = r"(?:provided|given|passed|specified|set|sent|present)"
_ONE = r"(?:either|(?:(?:at least|exactly|any) )?one)(?: of)?"
_NEEDED = rf"(?:is|are|must be|should be|has to be) (?:required|mandatory|needed|{_GIVEN})"
_EITHER = re.compile(rf"\b{_ONE} {_LIST} {_NEEDED}", re.IGNORECASE)
_MUST = re.compile(rf"\bmust (?:provide|pass|send|specify|include) {_ONE} {_LIST}", re.IGNORECASE)
_ABSENT = rf"(?:if|when) (\w+) is (?:not {_GIVEN}|missing|omitted)"
_WITHOUT = re.compile(rf"\b(?:mandatory|required|needed) (?:{_ABSENT}|unless (\w+) is {_GIVEN})", re.IGNORECASE)
_NOT_BOTH = re.compile(rf"\beither {_LIST} can be {_GIVEN},? (?:but )?not both", re.IGNORECASE)


def of_one(said: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The groups of which one is needed; `said` has the description of each parameter and field by its name.

    A group that names something else than these is left out.
    """
    for name, text in said.items():
        found = [_names(match[1]) for rule in (_EITHER, _MUST) for match in rule.finditer(text)]
        found += [(name, match[1] or match[2]) for match in _WITHOUT.finditer(text)]
        yield from (group for group in found if len(set(group)) > 1 and said.keys() >= set(group))


def excluded_by(name: str, text: str, known: Set[str]) -> list[str]:
    """The names that may not be given together with this one, by its description."""
    found = _NOT_BOTH.search(text)
    names = _names(found[1]) if found else ()
    return sorted(set(names) - {name}) if name in names and known >= set(names) else []


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r",\s*(?:or\s+)?|\s+or\s+", text)))
