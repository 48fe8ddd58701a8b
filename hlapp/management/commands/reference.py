"""`manage.py reference`: prints the reference of `hlapp.api`, or writes it to a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from hlapp.api import reference
from integrations.core.command_output.printable_command import PrintableCommand


class Command(PrintableCommand):
    """`manage.py reference`."""

    help = "Print what own apps may import from hlapp.api, with signatures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to write it."""
        parser.add_argument("--out", type=Path, help="write it to this file")

    def handle(self, *_: Any, out: Path | None = None, **_options: Any) -> None:
        """Print or write the page."""
        if out is None:
            self.stdout.write(reference.text())
        else:
            out.write_text(reference.text(), encoding="utf-8")
