"""Update of the committed catalogue, facade, guesses and events from a newer publication of the vendor.

`prepared` builds everything in memory and compares it with what is committed; `commit` then replaces all files, or none
(`replace_files`). What a publication lacks, such as one of the dialects, stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.core.errors import BadRequest
from integrations.gateway import facade as facade_package
from integrations.gateway.codegen import impact
from integrations.gateway.codegen.facade_text import facade
from integrations.gateway.codegen.impact import EventImpact, Impact
from integrations.gateway.codegen.publication import Publication
from integrations.gateway.codegen.replace_files import replace_all
from integrations.highlevel import catalogue as catalogue_package
from integrations.highlevel import pagination as pagination_package
from integrations.highlevel.catalogue import Catalogue, event_types, field_notes, fields
from integrations.highlevel.catalogue.build import build, fields_of, notes_of, text_of
from integrations.highlevel.catalogue.event_types import EventTypes
from integrations.highlevel.catalogue.field_notes import Notes
from integrations.highlevel.catalogue.fields import Fields
from integrations.highlevel.catalogue.operation_lookup import catalogue, parsed
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination import guesses
from integrations.highlevel.pagination.guesses import Guess
from integrations.highlevel.pagination.styles import STYLES, is_decided

MOST_REMOVED = 0.1  # of a dialect's operations; beyond it the publication is more likely incomplete


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of the committed files: catalogue and events, guesses, facade."""

    catalogue: Path = Path(catalogue_package.__file__).parent
    pagination: Path = Path(pagination_package.__file__).parent
    facade: Path = Path(facade_package.__file__).parent

    @classmethod
    def below(cls, folder: Path) -> Places:
        """Everything in one folder, to look at it."""
        return cls(folder, folder, folder / "facade")


@dataclass(frozen=True, slots=True)
class Built:
    """What a publication gives: catalogue, fields and notes by dialect, guesses of all dialects, and the events."""

    catalogues: Mapping[DialectName, Catalogue]
    inside: Mapping[DialectName, Fields]
    notes: Mapping[DialectName, Notes]
    guessed: Mapping[DialectName, Mapping[str, Guess]]
    events: EventTypes | None


def built(published: Publication) -> Built:
    """Build everything in memory. Raises BadRequest that names the file that cannot be understood."""
    catalogues = {name: build(files, name) for name, files in published.operations.items()}
    inside = {name: fields_of(files) for name, files in published.operations.items()}
    notes = {name: notes_of(files) for name, files in published.operations.items()}
    guessed = {**guesses.committed(), **{name: _guessed(c, inside[name], name) for name, c in catalogues.items()}}
    events = None if published.events is None else event_types.of_publication(published.events)
    return Built(catalogues, inside, notes, {name: rows for name, rows in guessed.items() if rows}, events)


def write(made: Built, places: Places) -> list[Path]:
    """Write all files, or none; returns the paths that changed. The facade's modules of withdrawn files are deleted.

    Raises BadRequest when what would be written cannot be read back, and OSError.
    """
    texts: dict[Path, str] = {places.pagination / guesses.FILE: guesses.text_of(made.guessed)}
    gone: list[Path] = []
    for name, found in made.catalogues.items():
        texts[places.catalogue / f"{name}.json"] = text_of(found, name)
        texts[places.catalogue / fields.name_of(name)] = fields.text_of(made.inside[name])
        texts[places.catalogue / field_notes.name_of(name)] = field_notes.text_of(made.notes[name])
        package = places.facade / name
        modules = facade(found, name, guessed=guesses.styles_of(made.guessed.get(name, {})), notes=made.notes[name])
        texts |= {package / module: text for module, text in modules.items()}
        gone += [path for path in sorted(package.glob("*.py")) if path.name not in modules]
    if made.events is not None:
        texts[places.catalogue / event_types.FILE] = event_types.text_of(made.events)
    _read_back(texts, made)
    return replace_all(texts, gone)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a publication changes against what is committed, for people and as JSON."""

    operations: Mapping[DialectName, Impact]
    events: EventImpact | None
    guessed: Mapping[DialectName, Mapping[str, Guess]]
    left: Mapping[DialectName, list[str]]  # rows of `pagination.styles` for operations that are gone

    def too_many_removed(self) -> str:
        """Why the publication looks incomplete, in words; empty when it does not."""
        for name, found in self.operations.items():
            ours, gone = len(catalogue(name)), len(found.found.removed)
            if gone > ours * MOST_REMOVED:
                return f"{gone} of the {ours} operations of {name} would go"
        return ""

    def fails_on(self, level: str) -> bool:
        """Whether the changes include anything of this level; one of `impact.LEVELS`."""
        events = self.events is not None and self.events.fails_on(level)
        return events or any(found.fails_on(level) for found in self.operations.values())

    def as_json(self) -> dict[str, Any]:
        """The changes for `--json`."""
        return {
            "operations": {name: found.as_json() for name, found in self.operations.items()},
            "events": None if self.events is None else self.events.as_json(),
            "guessed_pages": self.guessed,
            "rows_without_operation": self.left,
        }

    def lines(self) -> Iterator[str]:
        """Text report, a part for each dialect and one for the events."""
        for name, found in self.operations.items():
            came, gone, changed = (len(keys) for keys in (found.found.added, found.found.removed, found.found.changed))
            yield f"{name}: {came} added, {gone} removed, {changed} changed"
            yield from found.lines()
            for key, row in self.guessed.get(name, {}).items():
                yield f"    pages of {key} ({name}): {_in_words(row)}"
            yield from (f"    row without operation in pagination.styles: {key}" for key in self.left.get(name, ()))
        if self.events is not None:
            yield "events:"
            yield from self.events.lines()


def changes(made: Built) -> Changes:
    """Compare with what is committed."""
    operations = {}
    left: dict[DialectName, list[str]] = {}
    for name, found in made.catalogues.items():
        inside = (fields.committed(name), made.inside[name])
        operations[name] = impact.assess(catalogue(name), found, files=None, inside=inside)
        rows = sorted(key for key in STYLES[name] if found.find(key) is None)
        if rows:
            left[name] = rows
    events = None if made.events is None else impact.assess_events(event_types.event_types(), made.events)
    return Changes(operations, events, made.guessed, left)


def _guessed(found: Catalogue, inside: Fields, dialect: DialectName) -> dict[str, Guess]:
    answers = {key: sides.get(fields.SIDES[1], {}) for key, sides in inside.items()}
    undecided = (operation for operation in found.operations() if not is_decided(operation.key, dialect))
    rows = {o.key: guesses.guess(o, answers.get(o.key, {})) for o in undecided}
    return {key: row for key, row in rows.items() if row is not None}


def _in_words(row: Guess) -> str:
    if not row:
        return "unknown: it could not be derived"
    more = ", ".join(f"{name} {value}" for name, value in row.items() if name != "family" and value)
    return f"guessed: {row['family']} ({more})"


def _read_back(texts: Mapping[Path, str], made: Built) -> None:
    """Raises BadRequest unless every text can be read as its readers will read it."""
    try:
        for path, text in texts.items():
            if path.suffix == ".py":
                compile(text, str(path), "exec")
            elif (dialect := path.stem) in made.catalogues:
                parsed(json.loads(text), dialect)  # type: ignore[arg-type]
            elif path.name == event_types.FILE:
                event_types.read(text)
    except (SyntaxError, ValueError, KeyError) as fault:
        raise BadRequest(f"{path.name} would not be readable: {fault!r}") from fault
