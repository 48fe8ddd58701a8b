"""Management command `catalogue`: list and show operations, compare with newer OpenAPI files, rebuild."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.core.errors import IntegrationError
from integrations.gateway import facade as facade_package
from integrations.gateway.codegen import impact
from integrations.gateway.codegen.facade_text import facade
from integrations.highlevel import catalogue as room
from integrations.highlevel.catalogue import fields
from integrations.highlevel.catalogue.build import build, fields_of, files_of, text_of
from integrations.highlevel.catalogue.operation import Operation, written
from integrations.highlevel.catalogue.operation_lookup import Catalogue, catalogue
from integrations.highlevel.catalogue.values import described
from integrations.highlevel.oauth.dialects import DialectName

COMMITTED, FACADE = Path(room.__file__).parent, Path(facade_package.__file__).parent


class Command(BaseCommand):
    """Lists, shows, compares and builds the catalogue."""

    help = "The catalogue of HighLevel's operations: list, show OPERATION, diff FILE|DIR, build DIR."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs `list`, `show`, `diff` and `build` with their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--dialect", choices=["v2", "v3"], default="v2")
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", parents=[common], help="all operations")
        listing.add_argument("--tag", help="only operations of this tag or file, in any case")
        verbs.add_parser("show", parents=[common], help="one operation").add_argument("operation")
        diff = verbs.add_parser("diff", parents=[common], help="what these OpenAPI files would change")
        diff.add_argument("source", type=Path, help="a file, or a directory with *.json and v3/*.json")
        diff.add_argument(
            "--fail-on", type=_levels, default=(), metavar="LIST", help=f"exit 1 on any of {','.join(impact.LEVELS)}"
        )
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
            self._print_json({"key": operation.key, **written(operation), "version": operation.version})
        else:
            self.stdout.write("\n".join(_lines(operation)))

    def _diff(self, options: dict[str, Any]) -> None:
        source: Path = options["source"]
        files, dialect = _sources(source, options["dialect"])
        only = None if source.is_dir() else frozenset(file.stem.removesuffix("-v3") for file in files)
        ours, theirs = catalogue(dialect), build(files, dialect)
        hint = None if only is None else _other_name(ours, theirs, only)
        if hint:
            self.stderr.write(hint)
        inside = (fields.committed(dialect), fields_of(files))
        found = impact.assess(ours, theirs, files=only, inside=inside)
        if options["json"]:
            self._print_json(found.as_json())
        else:
            self.stdout.write("\n".join(found.lines()))
        if any(found.fails_on(level) for level in options["fail_on"]):
            raise SystemExit(1)

    def _build(self, options: dict[str, Any]) -> None:
        dialects: tuple[DialectName, ...] = ("v2", "v3")
        sets: dict[DialectName, list[Path]] = {name: files_of(options["source"], name) for name in dialects}
        if not any(sets.values()):
            raise CommandError(f"{options['source']} holds no *.json and no v3/*.json")
        built: dict[DialectName, Catalogue] = {name: build(files, name) for name, files in sets.items() if files}
        out: Path | None = options["out"]
        inside = {name: fields.text_of(fields_of(sets[name])) for name in built}
        directory = out or COMMITTED
        directory.mkdir(parents=True, exist_ok=True)
        for name, result in built.items():  # write only after every file could be read
            (directory / f"{name}.json").write_text(text_of(result, name), encoding="utf-8")
            (directory / fields.name_of(name)).write_text(inside[name], encoding="utf-8")
            _write_facade(result, name, out / "facade" if out else FACADE)
        sizes = {name: len(result) for name, result in built.items()}
        if options["json"]:
            self._print_json(sizes)
        else:
            self.stdout.write(", ".join(f"{name}: {size} operations" for name, size in sizes.items()))

    def _print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2))


def _sources(source: Path, dialect: DialectName) -> tuple[list[Path], DialectName]:
    """The files to compare with. The dialect of a single file follows from its name."""
    if not source.is_dir():
        return [source], "v3" if source.stem.endswith("-v3") else dialect
    files = files_of(source, dialect)
    if not files:
        raise CommandError(f"{source} holds no OpenAPI files of {dialect}")
    return files, dialect


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


def _lines(operation: Operation) -> list[str]:
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
    lines += [f"  {described(parameter)}" for parameter in operation.params]
    if operation.body is not None:
        lines.append(f"  body ({operation.body.content}{', required' if operation.body.required else ''})")
        for name, kind in operation.body.properties.items():
            lines.append(f"    {name} ({kind}{', required' if name in operation.body.needs else ''})")
    return lines


def _levels(text: str) -> tuple[str, ...]:
    levels = tuple(text.split(","))
    if not set(levels) <= set(impact.LEVELS):
        raise ArgumentTypeError(f"a list of {', '.join(impact.LEVELS)}")
    return levels


def _write_facade(built: Catalogue, dialect: DialectName, folder: Path) -> None:
    """Write the facade package and delete the modules of files that the vendor has withdrawn."""
    package = folder / dialect
    package.mkdir(parents=True, exist_ok=True)
    files = facade(built, dialect)
    for old in package.glob("*.py"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (package / name).write_text(text, encoding="utf-8")
