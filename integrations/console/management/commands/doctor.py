"""`manage.py doctor`: checks configuration, services, keys and workers, or the portal's files, and says what to fix."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.table import Column, Table
from rich.text import Text

from integrations.console import terminal
from integrations.console.doctor import diagnostics, portal_check
from integrations.console.doctor.findings import Finding, Level
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest

_STYLE = {Level.OK: "green", Level.UNKNOWN: "cyan", Level.WARNING: "yellow", Level.FAILED: "bold red"}


class Command(PrintableCommand):
    """Prints the findings. Exits with status 1 when one of them is FAILED."""

    requires_system_checks = ()  # it shows their findings among its own

    help = "Check configuration, services, keys, workers, beat and apps. Exits 1 when a check failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options `--json` and `--portal`."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument(
            "--portal",
            metavar="FILE",
            type=Path,
            help="compare only this ghl-app.json, or the folder of `ghl app pull`, with what is configured here",
        )

    def handle(self, **options: Any) -> None:
        """Print the findings. Raises CommandError that names the failed checks, or says what is wrong with a file."""
        findings = _compared(options["portal"]) if options["portal"] else diagnostics.run_all()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            terminal.table_console(self.stdout).print(_table(findings))
        failed = sorted({finding.check for finding in findings if finding.level == Level.FAILED})
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")


def _compared(path: Path) -> list[Finding]:
    try:
        return list(portal_check.compare(path))
    except BadRequest as error:
        raise CommandError(str(error)) from None


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(Column(no_wrap=True), Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for finding in findings:
        text = terminal.cell(finding.found)
        if finding.fix:
            text.append("\n").append(terminal.cell(f"→ {finding.fix}", style="bold"))
        table.add_row(Text(finding.level.value, style=_STYLE[finding.level]), terminal.cell(finding.check), text)
    return table
