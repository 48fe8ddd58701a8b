"""Impact of newer OpenAPI files of the vendor: which callers are affected, and which scopes are newly required."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings

from integrations.gateway.codegen import uses
from integrations.gateway.codegen.uses import Use
from integrations.highlevel.catalogue import Catalogue, event_types
from integrations.highlevel.catalogue.compare import Difference, difference, in_words, scopes_needed
from integrations.highlevel.catalogue.event_types import EventTypes
from integrations.highlevel.catalogue.fields import SIDES, Fields, Kinds

_SILENT = frozenset({"highlevel", "sandbox"})  # these two rooms name operations but do not call them
LEVELS = ("added", "removed", "changed", "used")


@dataclass(frozen=True, slots=True)
class Impact:
    """`used`: the callers of each changed or removed operation. `scopes`: newly required scopes by operation.

    `missing`: those scopes that our own calls need and HIGHLEVEL_SCOPES does not request.
    """

    found: Difference
    used: Mapping[str, list[Use]]
    scopes: Mapping[str, list[str]]
    missing: list[str]

    def fails_on(self, level: str) -> bool:
        """Whether the impact includes anything of this level; one of LEVELS."""
        return bool(self.used) if level == "used" else bool(getattr(self.found, level))

    def as_json(self) -> dict[str, Any]:
        """The impact as JSON for `catalogue diff --json`."""
        return {
            "added": self.found.added,
            "removed": self.found.removed,
            "changed": self.found.changed,
            "used": _as_json(self.used),
            "scopes": self.scopes,
            "missing_scopes": self.missing,
        }

    def lines(self) -> Iterator[str]:
        """Text report: one operation per line, below it what changed, the new scopes and the callers."""
        for sign, keys in (("+", self.found.added), ("-", self.found.removed), ("~", self.found.changed)):
            for key in keys:
                yield f"{sign} {key}"
                for name, (old, new) in self.found.changed.get(key, {}).items():
                    yield from (f"    {line}" for line in in_words(name, old, new))
                if key in self.scopes:
                    yield f"    newly needs {', '.join(self.scopes[key])}"
                yield from _used(self.used.get(key, ()))
        if self.missing:
            yield f"add to HIGHLEVEL_SCOPES: {', '.join(self.missing)}"
        if not self.found:
            yield "no difference"


@dataclass(frozen=True, slots=True)
class EventImpact:
    """`changed`: the fields of each type as (before, after), without those that are the same. `used`: who names it."""

    added: list[str]
    removed: list[str]
    changed: Mapping[str, tuple[Kinds, Kinds]]
    used: Mapping[str, list[Use]]

    def fails_on(self, level: str) -> bool:
        """Whether the impact includes anything of this level; one of LEVELS."""
        return bool(getattr(self, level))

    def as_json(self) -> dict[str, Any]:
        """The impact as JSON."""
        return {"added": self.added, "removed": self.removed, "changed": self.changed, "used": _as_json(self.used)}

    def lines(self) -> Iterator[str]:
        """Text report: one type per line, below it the fields that changed and who uses it."""
        for sign, types in (("+", self.added), ("-", self.removed), ("~", self.changed)):
            for name in types:
                yield f"{sign} {name}"
                if name in self.changed:
                    yield from (f"    {line}" for line in in_words(SIDES[1], *self.changed[name]))
                yield from _used(self.used.get(name, ()))
        if not (self.added or self.removed or self.changed):
            yield "no difference"


def assess_events(before: EventTypes, after: EventTypes) -> EventImpact:
    """Compare two catalogues of events."""
    found = event_types.difference(before, after)
    touched = [name for name in found if name in before]
    used = uses.find_events(touched, _our_folders(), root=settings.BASE_DIR) if touched else {}
    both = {name: pair for name, pair in found.items() if name in before and name in after}
    added, removed = ([name for name in found if name not in types] for types in (before, after))
    return EventImpact(added, removed, both, used)


def assess(
    before: Catalogue, after: Catalogue, *, files: frozenset[str] | None, inside: tuple[Fields, Fields] = ({}, {})
) -> Impact:
    """Compare two catalogues. `files` limits this to their operations; `inside`: the fields of bodies and responses."""
    found = difference(before, after, files=files, inside=inside)
    touched = {*found.removed, *found.changed}
    calls = uses.find(before, _our_folders(), root=settings.BASE_DIR) if touched else {}
    scopes = scopes_needed(before, after, found)
    used = {key: by for key, by in calls.items() if key in touched}
    needed = {scope for key in used for scope in scopes.get(key, ())}
    return Impact(found, used, scopes, sorted(needed - set(settings.HIGHLEVEL_SCOPES)))


def _as_json(used: Mapping[str, list[Use]]) -> dict[str, list[dict[str, str]]]:
    return {name: [{"who": use.caller, "place": use.source} for use in by] for name, by in used.items()}


def _used(by: Iterable[Use]) -> Iterator[str]:
    return (f"    used by {use.caller} ({use.source})" for use in by)


def _our_folders() -> list[Path]:
    """Folders of the installed apps that are part of this project."""
    found = (config for config in apps.get_app_configs() if config.label not in _SILENT)
    return [path for config in found if "site-packages" not in (path := Path(config.path)).parts]
