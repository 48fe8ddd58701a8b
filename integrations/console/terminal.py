"""Where commands print their tables: the terminal at its own width, a file or a pipe at one that holds a table."""

from __future__ import annotations

from typing import IO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console

PIPE_WIDTH = 140


def on(stdout: OutputWrapper) -> Console:
    """A rich console over a command's `self.stdout`. Markup in what is printed is not interpreted."""
    width = None if stdout.isatty() else PIPE_WIDTH
    return Console(file=cast(IO[str], stdout), width=width, markup=False, highlight=False)
