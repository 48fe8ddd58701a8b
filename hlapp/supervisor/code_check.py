"""Whether processes would start with the present code and configuration: the command `check` in a new process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping


class CodeCheck:
    """A check that runs beside the caller's own work, in the same directory."""

    def __init__(self, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "hlapp", "check"]
        self._process = subprocess.Popen(  # noqa: S603 - a command of our own, no shell
            command, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    @property
    def is_done(self) -> bool:
        """Whether the result is there."""
        return self._process.poll() is not None

    def fault(self) -> str | None:
        """Wait for the result: why processes would not start, in one line; None when they would."""
        _, said = self._process.communicate()
        if self._process.returncode == 0:
            return None
        return (said.strip().splitlines() or [f"status {self._process.returncode}"])[-1]

    def give_up(self) -> None:
        """End it without a result."""
        self._process.kill()
        self._process.communicate()
