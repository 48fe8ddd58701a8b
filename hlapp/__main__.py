"""`python -m hlapp`: the same as the console script `hlapp`."""

from __future__ import annotations

from hlapp.command_line import console

console()
