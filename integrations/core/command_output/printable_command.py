"""Base of all management commands: what they print has no control characters, whatever the text is from.

Names, messages and ids come from the vendor, and so from anybody who fills in a form on a tenant's web site.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper

from integrations.core.texts import printable


class PrintableOutput(OutputWrapper):
    """Output of a command: `write` makes each text printable. A table of rich is styled, so it goes to `raw`."""

    def write(self, msg: Any = "", style_func: Any = None, ending: Any = None) -> None:  # type: ignore[override]
        """Write a text, styled after its control characters are gone."""
        super().write(printable(str(msg)), style_func, ending)

    @property
    def raw(self) -> Any:
        """The stream below, for a writer that makes its cells printable itself."""
        return self._out


class PrintableCommand(BaseCommand):
    """Base class of our commands."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        super().__init__(stdout, stderr, **options)
        self._print_to(stdout or sys.stdout, stderr or sys.stderr)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command. A stream that the caller gives gets printable texts, too."""
        self._print_to(options.pop("stdout", None), options.pop("stderr", None))
        return super().execute(*args, **options)

    def _print_to(self, stdout: Any, stderr: Any) -> None:
        if stdout is not None:
            self.stdout = PrintableOutput(stdout)
        if stderr is not None:
            style = self.stderr.style_func
            self.stderr = PrintableOutput(stderr)
            self.stderr.style_func = style
