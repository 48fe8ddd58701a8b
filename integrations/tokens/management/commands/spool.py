"""`manage.py spool status|retry|drop`: lists, retries or drops grants that could not be committed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.tokens.spool import inspection, spool
from integrations.tokens.spool.inspection import SpoolEntry
from integrations.tokens.spool.spool import COMMITTED

_NOTHING = "nothing waits, and nothing was set aside."


class Command(PrintableCommand):
    """`manage.py spool`."""

    help = "Grants that were kept, sealed, while the database was unavailable: in Redis and on this machine's disk."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands and their options."""
        actions = parser.add_subparsers(dest="action", required=True)
        helps = {
            "status": "list what waits, what was set aside, and what cannot be read",
            "retry": "try them now, also those set aside (all, or those named); exits 1 when any is left",
            "drop": "delete an entry: its tokens are gone, and its tenant may need to reconnect",
        }
        for name, text in helps.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("--json", action="store_true", help="print the result as JSON")
            if name == "retry":
                action.add_argument("names", nargs="*", metavar="NAME")
            if name == "drop":
                action.add_argument("name", metavar="NAME")
                action.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        act: dict[str, Callable[..., None]] = {"status": self._status, "retry": self._retry, "drop": self._drop}
        given = {key: options[key] for key in ("names", "name", "yes") if key in options}
        try:
            act[options["action"]](as_json=options["json"], **given)
        except IntegrationError as error:
            raise CommandError(str(error)) from None
        except Error as error:
            raise CommandError(f"the database is unavailable ({type(error).__name__}): nothing was changed") from None

    def _status(self, *, as_json: bool) -> None:
        report = inspection.look()
        self._write(asdict(report), "\n".join(map(_line, report.entries)) or _NOTHING, as_json=as_json)
        if report.away:
            raise CommandError(f"not every backend could be read: {_pairs(report.away)}")

    def _retry(self, *, as_json: bool, names: list[str]) -> None:
        results = spool.retry(names or None)
        lines = "\n".join(f"{name}: {end}" for name, end in results.items())
        self._write({"entries": results}, lines or _NOTHING, as_json=as_json)
        if missing := sorted(set(names) - results.keys()):
            raise CommandError(f"not in the spool: {', '.join(missing)}")
        if left := sum(end != COMMITTED for end in results.values()):
            raise CommandError(f"{left} left")

    def _drop(self, *, as_json: bool, name: str, yes: bool) -> None:
        if not yes:
            self._confirm(name)
        inspection.drop(name, actor="command line")
        self._write({"dropped": name}, f"{name} was deleted.", as_json=as_json)

    def _confirm(self, name: str) -> None:
        """Ask for confirmation on standard error, so that --json prints JSON only."""
        self.stderr.write(f"The tokens in {name!r} will be gone for good. Type the name to go on: ", ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != name:
            raise CommandError("nothing was changed: that is not the name (--yes does not ask)")

    def _write(self, found: dict[str, Any], text: str, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(found, indent=2, cls=DjangoJSONEncoder) if as_json else text)


def _line(entry: SpoolEntry) -> str:
    since = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC" if entry.at else "unreadable"
    return f"{entry.standing}  {entry.name}  {since}  on {', '.join(entry.places)}  {_pairs(entry.facts)}".rstrip()


def _pairs(named: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in named.items() if value not in ("", None))
