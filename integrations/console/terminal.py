"""Rich console for tables that commands print: terminals use their own width, files and pipes a fixed one."""

from __future__ import annotations

from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.text import Text

from integrations.core.texts import printable

PIPE_WIDTH = 140  # columns


def table_console(stdout: OutputWrapper) -> Console:
    """A rich console over a command's `self.stdout`. It prints markup literally, and its callers `cell`s only."""
    width = None if stdout.isatty() else PIPE_WIDTH
    return Console(file=cast(IO[str], getattr(stdout, "raw", stdout)), width=width, markup=False, highlight=False)


def cell(text: str, style: str = "") -> Text:
    """A text of a table, without control characters."""
    return Text(printable(text), style=style)
