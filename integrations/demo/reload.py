"""Watches the source files for changes, and checks that changed code starts before the demo restarts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_FOLDERS = ("hlapp", "integrations", "templates")
_KINDS = frozenset({".py", ".html", ".lua", ".json"})


class Sources:
    """The project's files as they were when last looked at."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._seen = self._look()

    def have_changed(self) -> bool:
        """Since the last time this was asked."""
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def fault(self, env: Mapping[str, str]) -> str | None:
        """Why processes would not start with the code as it is, in one line; None when they would."""
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
                except FileNotFoundError:  # an editor replaces it this moment
                    continue
        return found
