"""Detection of changed source files, and the check that changed code starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_FOLDERS = ("hlapp", "integrations", "templates")
_KINDS = frozenset({".py", ".html", ".lua", ".json"})


class Sources:
    """The modification times of the project's files at the last look."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._seen = self._look()

    def have_changed(self) -> bool:
        """Whether a file has changed since the last call."""
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def fault(self, env: Mapping[str, str]) -> str | None:
        """Why processes would not start with the current code, in one line; None when they would."""
        command = [sys.executable, str(self.project / "manage.py"), "check"]
        done = subprocess.run(command, cwd=self.project, env=env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return None
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]

    def _look(self) -> dict[Path, int]:
        found = {}
        for path in (path for folder in _FOLDERS for path in (self.project / folder).rglob("*")):
            if path.suffix in _KINDS:
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # an editor is replacing it
                    continue
        return found
