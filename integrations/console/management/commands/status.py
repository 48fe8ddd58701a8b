"""`manage.py status`: apps, installations, credential health, quota, sync and inbox as tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from rich.table import Table

from integrations.console import report, terminal
from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand


class Command(PrintableCommand):
    """Prints what `console.report` collects."""

    help = "Show apps, installations, credential health, quota, sync and inbox."

    def add_arguments(self, parser: CommandParser) -> None:
        """The option `--json`."""
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, **options: Any) -> None:
        """Print the report as tables, or as JSON."""
        found = report.collect(clock.now())
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, cls=DjangoJSONEncoder))
            return
        console = terminal.table_console(self.stdout)
        for table in _tables(found):
            console.print(table)
        if found["quota"] is None:
            console.print("The quota store does not answer.", style="bold red")


def _tables(found: dict[str, Any]) -> Iterator[Table]:
    for title in ("apps", "credentials", "in_need", "quota", "sync"):
        rows = found[title] or []
        if rows:
            yield _table(title.replace("_", " ").capitalize(), list(rows[0]), [list(row.values()) for row in rows])
    inbox = {**found["inbox"], **found["inbox"]["recent"]}
    inbox.pop("recent")
    unknown = inbox.pop("unknown")
    yield _table("Inbox (last 24 hours by status)", list(inbox), [list(inbox.values())])
    if unknown:
        rows = [[name or "(without a type)", number] for name, number in unknown.items()]
        yield _table("Event types that the catalogue lacks (last 24 hours)", ["type", "events"], rows)


def _table(title: str, names: list[str], rows: list[list[Any]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(terminal.cell(_cell(value)) for value in row))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:,}" if isinstance(value, int) else str(value)
