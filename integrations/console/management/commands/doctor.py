"""`manage.py doctor`: checks configuration, services, keys and workers, and says what to fix."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.table import Column, Table
from rich.text import Text

from integrations.console import terminal
from integrations.console.doctor import diagnostics
from integrations.console.doctor.findings import Finding, Level
from integrations.core.command_output.printable_command import PrintableCommand

_STYLE = {Level.OK: "green", Level.UNKNOWN: "cyan", Level.WARNING: "yellow", Level.FAILED: "bold red"}


class Command(PrintableCommand):
    """Prints the findings. Exits with status 1 when one of them is FAILED."""

    requires_system_checks = ()  # it shows their findings among its own

    help = "Check configuration, services, keys, workers, beat and apps. Exits 1 when a check failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """The option `--json`."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, **options: Any) -> None:
        """Print the findings. Raises CommandError that names the failed checks."""
        findings = diagnostics.run_all()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            terminal.table_console(self.stdout).print(_table(findings))
        failed = sorted({finding.check for finding in findings if finding.level == Level.FAILED})
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(Column(no_wrap=True), Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for finding in findings:
        text = terminal.cell(finding.found)
        if finding.fix:
            text.append("\n").append(terminal.cell(f"→ {finding.fix}", style="bold"))
        table.add_row(Text(finding.level.value, style=_STYLE[finding.level]), terminal.cell(finding.check), text)
    return table
