"""Management command `catalogue`: the vendor's operations and events; compare with what is newer, update, build."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.gateway.codegen import impact, publication, update
from integrations.gateway.codegen.impact import Impact
from integrations.gateway.codegen.update import Changes, Places
from integrations.highlevel.catalogue import event_types, field_notes, fields, proven_fields
from integrations.highlevel.catalogue.build import build, fields_of
from integrations.highlevel.catalogue.operation import Body, Operation, written
from integrations.highlevel.catalogue.operation_lookup import Catalogue, catalogue
from integrations.highlevel.catalogue.values import described
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination.styles import is_guessed, style_of

_SOURCE = f"a folder with *.json and v3/*.json (and {event_types.SOURCE}), or the https URL of an archive with one"


class Command(PrintableCommand):
    """Lists, shows, compares, updates and builds the catalogue."""

    help = (
        "The catalogue of HighLevel's operations and webhook events: list, show OPERATION, events, event TYPE, "
        "diff FILE|DIR|URL, update DIR|URL, build DIR."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs with their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--dialect", choices=["v2", "v3"], default="v2")
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", parents=[common], help="all operations")
        listing.add_argument("--tag", help="only operations of this tag or file, in any case")
        verbs.add_parser("show", parents=[common], help="one operation").add_argument("operation")
        verbs.add_parser("events", parents=[common], help="all types of webhook events")
        verbs.add_parser("event", parents=[common], help="the payload's fields of one type").add_argument("type")
        diff = verbs.add_parser("diff", parents=[common], help="what a newer publication would change")
        diff.add_argument("source", help=f"a file (OpenAPI, or {event_types.SOURCE}), or {_SOURCE}")
        diff.add_argument(
            "--fail-on", type=_levels, default=(), metavar="LIST", help=f"exit 1 on any of {','.join(impact.LEVELS)}"
        )
        update = verbs.add_parser("update", parents=[common], help="show what changes, and replace all files or none")
        update.add_argument("source", help=_SOURCE)
        update.add_argument("--force", action="store_true", help="also when many operations would go")
        update.add_argument("--out", type=Path, help="write to another directory, created if it is missing")
        builder = verbs.add_parser("build", parents=[common], help="rebuild catalogue and facade, both dialects")
        builder.add_argument("source", type=Path)
        builder.add_argument("--out", type=Path, help="another directory, created if it is missing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen verb. Raises CommandError for an IntegrationError or OSError."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except BrokenPipeError:
            raise
        except (IntegrationError, OSError) as fault:
            raise CommandError(str(fault)) from fault

    def _list(self, options: dict[str, Any]) -> None:
        tag = (options["tag"] or "").lower()
        found = [o for o in catalogue(options["dialect"]).operations() if not tag or tag in _labels(o)]
        if not found:
            raise CommandError(f"no operation has the tag or file '{options['tag']}'")
        if options["json"]:
            self._print_json([{"key": o.key, "method": o.method, "path": o.path} for o in found])
            return
        for operation in found:
            gone = "  (deprecated)" if operation.deprecated else ""
            self.stdout.write(f"{operation.key:60} {operation.method:6} {operation.path}{gone}")

    def _show(self, options: dict[str, Any]) -> None:
        operation = catalogue(options["dialect"]).operation(options["operation"])
        if options["json"]:
            proven = {"evidence": asdict(found)} if (found := proven_fields.of(operation)).source else {}
            shown = {"key": operation.key, **written(operation), "version": operation.version, **proven}
            notes = dict(field_notes.committed(options["dialect"]).get(operation.key, {}))
            groups = field_notes.groups(notes)
            notes.pop(field_notes.ONE_OF, None)
            self._print_json({**shown, "notes": notes, "one_of": groups})
        else:
            self.stdout.write("\n".join(_lines(operation, options["dialect"])))

    def _events(self, options: dict[str, Any]) -> None:
        types = event_types.event_types()
        if options["json"]:
            self._print_json(
                [{"type": o.type, "published": o.published, "fields": len(o.fields)} for o in types.values()]
            )
            return
        for one in types.values():
            note = "" if one.published else "  (known from the documentation, not from the files)"
            self.stdout.write(f"{one.type:32} {len(one.fields):3} fields{note}")

    def _event(self, options: dict[str, Any]) -> None:
        one = event_types.find(options["type"])
        if options["json"]:
            self._print_json({"type": one.type, "published": one.published, "fields": one.fields})
            return
        self.stdout.write(one.type if one.published else f"{one.type}  (known from the documentation, not completely)")
        self.stdout.write("\n".join(f"  {path} ({kind})" for path, kind in one.fields.items()))

    def _diff(self, options: dict[str, Any]) -> None:
        source, dialect = Path(options["source"]), options["dialect"]
        if source.is_file() and source.name != event_types.SOURCE:
            one = self._of_one_file(source, dialect)
            shown, lines, fails_on = one.as_json(), one.lines(), one.fails_on
        else:
            found = _changes(options["source"], dialect)
            shown, lines, fails_on = found.as_json(), found.lines(), found.fails_on
            shown = {**shown.pop("operations").get(dialect, {}), **shown}
        if options["json"]:
            self._print_json(shown)
        else:
            self.stdout.write("\n".join(lines))
        if any(fails_on(level) for level in options["fail_on"]):
            raise SystemExit(1)

    def _of_one_file(self, source: Path, dialect: DialectName) -> Impact:
        """What one OpenAPI file changes of the operations of that file; its dialect follows from its name."""
        dialect = "v3" if source.stem.endswith("-v3") else dialect
        only = frozenset({source.stem.removesuffix("-v3")})
        ours, theirs = catalogue(dialect), build([source], dialect)
        hint = _other_name(ours, theirs, only)
        if hint:
            self.stderr.write(hint)
        inside = (fields.committed(dialect), fields_of([source]))
        return impact.assess(ours, theirs, files=only, inside=inside)

    def _update(self, options: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            made = update.built(publication.read(options["source"], Path(scratch)))
        found = update.changes(made)
        if not options["json"]:
            self.stdout.write("\n".join(found.lines()))
        reason = "" if options["force"] else found.too_many_removed()
        if reason:
            raise CommandError(f"{reason}: nothing was changed. If that is right, add --force")
        paths = update.write(made, _places(options["out"]))
        if options["json"]:
            self._print_json({**found.as_json(), "files": sorted(map(str, paths))})
        else:
            self.stdout.write(f"{len(paths)} files changed" if paths else "nothing to change")

    def _build(self, options: dict[str, Any]) -> None:
        made = update.built(publication.read(str(options["source"]), Path()))
        update.write(made, _places(options["out"]))
        sizes = {name: len(result) for name, result in made.catalogues.items()}
        if options["json"]:
            self._print_json(sizes)
        else:
            self.stdout.write(", ".join(f"{name}: {size} operations" for name, size in sizes.items()))

    def _print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2))


def _changes(source: str, dialect: DialectName) -> Changes:
    with tempfile.TemporaryDirectory() as scratch:
        found = publication.read(source, Path(scratch))
        if dialect not in found.operations and found.events is None:
            raise CommandError(f"{source} holds no OpenAPI files of {dialect}")
        operations = {name: files for name, files in found.operations.items() if name == dialect}
        return update.changes(update.built(replace(found, operations=operations)))


def _places(out: Path | None) -> Places:
    return Places() if out is None else Places.below(out)


def _other_name(ours: Catalogue, theirs: Catalogue, names: frozenset[str]) -> str | None:
    """A warning when the catalogue has no file of this name but another file has the same operations."""
    known = {f"{o.method} {o.path}": o.key.partition(".")[0] for o in ours.operations()}
    if names & set(known.values()):
        return None
    same = Counter(known[route] for o in theirs.operations() if (route := f"{o.method} {o.path}") in known)
    if not same:
        return None
    (name, count), *_ = same.most_common(1)
    (given,) = names
    return f"the catalogue has no file {given}; {count} of its {len(theirs)} operations are in {name}: name it {name}"


def _labels(operation: Operation) -> tuple[str, str]:
    return operation.tag.lower(), operation.key.partition(".")[0].lower()


def _lines(operation: Operation, dialect: DialectName) -> list[str]:
    stated = "" if operation.version_stated else " (not stated, the dialect's own)"
    lines = [
        f"{operation.key}{'  (deprecated)' if operation.deprecated else ''}",
        f"  {operation.method} {operation.path}",
        f"  Version: {operation.version}{stated}",
    ]
    for credential in operation.credentials:
        only = ", OAuth only" if credential.oauth_only else ""
        lines.append(f"  {credential.kind} token{only}: {' '.join(credential.scopes) or 'no scope stated'}")
    if not operation.credentials:
        lines.append("  token: not stated")
    notes = field_notes.committed(dialect).get(operation.key, {})
    lines += [f"  {described(parameter)}{_note(notes, parameter.name)}" for parameter in operation.params]
    lines += [f"  one of: {group}" for group in field_notes.groups(notes)]
    if style_of(operation.key, dialect) is not None:
        guessed = ", guessed from the parameters" if is_guessed(operation.key, dialect) else ""
        lines.append(f"  pages: yes{guessed}")
    if operation.body is not None:
        lines.append(f"  body ({operation.body.content}{', required' if operation.body.required else ''})")
        lines += _body_lines(operation, operation.body, notes)
    return lines


def _note(notes: Mapping[str, str], name: str) -> str:
    return f": {notes[name]}" if name in notes else ""


def _body_lines(operation: Operation, body: Body, notes: Mapping[str, str]) -> Iterator[str]:
    proven = proven_fields.of(operation)
    said = dict.fromkeys(body.needs, ", documented as required") | dict.fromkeys(proven.required, ", required")
    for name, kind in body.properties.items():
        yield f"    {name} ({kind}{said.get(name, '')}){_note(notes, name)}"
    for group in proven.one_of:
        yield f"    one of: {', '.join(group)}"
    if proven.source:
        yield f"    evidence: {proven.source}"


def _levels(text: str) -> tuple[str, ...]:
    levels = tuple(text.split(","))
    if not set(levels) <= set(impact.LEVELS):
        raise ArgumentTypeError(f"a list of {', '.join(impact.LEVELS)}")
    return levels
