"""`manage.py upsert price|start|progress|results|cancel|resume|decide|remove`: many records from a file, on a terminal.

`price` checks and stores the rows of a file and says what they cost; with a number it prices that draft again. `start`
lets the workers send them. `results` writes a line for each row. Nothing is sent before `start`.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from integrations.core import clock
from integrations.core.ages import span
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, IntegrationError
from integrations.tenants import marketplace
from integrations.upserts import bulk_upsert, queries
from integrations.upserts.models import Upsert
from integrations.upserts.pricing import Price
from integrations.upserts.queries import UpsertProgress

ACTOR = "manage.py upsert"
_LATEST = 50
_LOOK_EVERY = 1.0
_OVER = ("complete", "stopped", "failed")


class Command(PrintableCommand):
    """The command `upsert`."""

    help = "Write many records from a file: price it, start it, see its progress and results."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the subcommands and their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        price = verbs.add_parser("price", parents=[common], help="store the rows of a file and say what they cost")
        price.add_argument("what", metavar="FILE", help="a .csv or .jsonl file, or the number of a draft")
        price.add_argument("--operation", metavar="NAME", help="such as contacts.upsert-contact")
        price.add_argument("--location", metavar="ID")
        price.add_argument("--company", metavar="ID")
        price.add_argument("--column", action="append", default=[], metavar="FIELD=COLUMN", help="may be repeated")
        price.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="the same in every row")
        price.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        price.add_argument("--api-version", metavar="VERSION", help="of the call; the app's dialect unless given")
        start = verbs.add_parser("start", parents=[common], help="let the workers send a priced draft")
        start.add_argument("id", type=int)
        start.add_argument("--wait", action="store_true", help="show progress and wait for the end")
        progress = verbs.add_parser("progress", parents=[common], help="how far an upsert is; without a number, all")
        progress.add_argument("id", type=int, nargs="?")
        results = verbs.add_parser("results", parents=[common], help="what became of each row, as CSV")
        results.add_argument("id", type=int)
        results.add_argument("--to", metavar="FILE", help="write it there instead of printing it")
        for verb, words in (
            ("cancel", "send nothing more"),
            ("resume", "go on with one that was cancelled or has failed"),
            ("remove", "delete one with its rows and results"),
        ):
            verbs.add_parser(verb, parents=[common], help=words).add_argument("id", type=int)
        decide = verbs.add_parser("decide", parents=[common], help="say whether a row of unknown fate was written")
        decide.add_argument("id", type=int)
        decide.add_argument("--row", type=int, required=True, metavar="NUMBER")
        fate = decide.add_mutually_exclusive_group(required=True)
        fate.add_argument("--happened", action="store_true", help="the row is done")
        fate.add_argument("--did-not-happen", action="store_true", help="it is sent again")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _price(self, options: dict[str, Any]) -> None:
        what: str = options["what"]
        upsert = int(what) if what.isdecimal() else self._prepared(Path(what), options)
        price = bulk_upsert.price(upsert)
        if options["json"]:
            self.stdout.write(json.dumps({"id": upsert, **price.as_json()}, indent=2))
        else:
            self.stdout.write("\n".join(_price_lines(upsert, price)))

    def _prepared(self, path: Path, options: dict[str, Any]) -> int:
        if not options["operation"]:
            raise BadRequest("name the operation that writes a row: --operation contacts.upsert-contact")
        return bulk_upsert.prepare(
            options["operation"],
            path,
            app=marketplace.find(options["app"]),
            location=options["location"],
            company=options["company"],
            version=options["api_version"],
            columns=dict(_pair(one, "--column FIELD=COLUMN") for one in options["column"]) or None,
            fixed={name: _value(text) for name, text in (_pair(one, "--set FIELD=VALUE") for one in options["set"])},
            by=ACTOR,
        )

    def _start(self, options: dict[str, Any]) -> None:
        bulk_upsert.start(options["id"], by=ACTOR)
        while options["wait"] and (found := bulk_upsert.progress(options["id"])).status not in _OVER:
            if not options["json"]:
                self.stdout.write(_progress_line(found))
            clock.sleep(_LOOK_EVERY)
        self._show(options)

    def _progress(self, options: dict[str, Any]) -> None:
        if options["id"] is not None:
            self._show(options)
            return
        found = queries.progress_of(Upsert.objects.order_by("-pk")[:_LATEST])
        if options["json"]:
            self.stdout.write(json.dumps([one.as_json() for one in found], indent=2))
            return
        nothing = "there is no upsert yet: manage.py upsert price FILE --operation NAME --location ID"
        self.stdout.write("\n".join(map(_progress_line, found)) or nothing)

    def _results(self, options: dict[str, Any]) -> None:
        lines = bulk_upsert.result_csv(options["id"])
        if options["to"] is None:
            for line in lines:
                self.stdout.write(line.rstrip("\r\n"))
            return
        _write_private(options["to"], lines)
        if not options["json"]:
            self.stdout.write(f"written to {options['to']}")

    def _cancel(self, options: dict[str, Any]) -> None:
        bulk_upsert.cancel(options["id"], by=ACTOR)
        self._show(options)

    def _resume(self, options: dict[str, Any]) -> None:
        bulk_upsert.resume(options["id"], by=ACTOR)
        self._show(options)

    def _remove(self, options: dict[str, Any]) -> None:
        bulk_upsert.remove(options["id"], by=ACTOR)
        self.stdout.write(json.dumps({"removed": options["id"]}) if options["json"] else "It is removed.")

    def _decide(self, options: dict[str, Any]) -> None:
        bulk_upsert.decide(options["id"], options["row"], happened=options["happened"], by=ACTOR)
        self._show(options)

    def _show(self, options: dict[str, Any]) -> None:
        found = bulk_upsert.progress(options["id"])
        self.stdout.write(json.dumps(found.as_json(), indent=2) if options["json"] else _progress_line(found))


def _price_lines(upsert: int, price: Price) -> list[str]:
    compared = "there is no copy to compare with"
    if price.compared_with:
        read = f"read {price.copy_read_at}" if price.copy_read_at else "which is not kept here"
        compared = f"compared with the copy of {price.compared_with}, {read}"
    left = "" if price.left_today is None else f", {price.left_today:,} are left today"
    return [
        f"upsert {upsert}: {price.rows:,} rows",
        f"  {price.calls:,} calls, {price.share:.2%} of a location's day{left}; about {span(round(price.seconds))}",
        f"  {price.unchanged:,} are unchanged ({compared})",
        f"  {price.invalid:,} are invalid and not sent",
        *(f"    {one.rows:,} from row {one.first:,}: {one.words}" for one in price.reasons),
        *(f"  remark: {words}" for words in price.remarks),
        f"send it: manage.py upsert start {upsert}",
    ]


def _progress_line(found: UpsertProgress) -> str:
    counts = {name: getattr(found, name) for name in ("done", "unchanged", "invalid", "refused", "unknown", "waiting")}
    said = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
    trouble = f" ({found.error})" if found.error else ""
    return f"upsert {found.id} of {found.tenant}: {found.status}, {found.percent} % of {found.rows:,}: {said}{trouble}"


def _pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadRequest(f"{text[:80]!r} is not of the form {form}")
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _write_private(path: str, lines: Iterable[str]) -> None:
    """A file that only its owner reads: it may have words of the vendor about people."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}") from error
