"""Rich console for tables that commands print: terminals use their own width, files and pipes a fixed one."""

from __future__ import annotations

from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console

PIPE_WIDTH = 140  # columns


def table_console(stdout: OutputWrapper) -> Console:
    """A rich console over a command's `self.stdout`. It prints markup literally."""
    width = None if stdout.isatty() else PIPE_WIDTH
    return Console(file=cast(IO[str], stdout), width=width, markup=False, highlight=False)
