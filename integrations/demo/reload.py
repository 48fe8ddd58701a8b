"""Detection of changed source files."""

from __future__ import annotations

from pathlib import Path

import hlapp
import integrations
from hlapp.project import APPS_FOLDER
from integrations.core import own_apps

_OURS = (Path(hlapp.__file__).parent, Path(integrations.__file__).parent)
_KINDS = frozenset({".py", ".html", ".lua", ".json"})


class Sources:
    """The modification times of the files of hlapp and of the project's own apps at the last look."""

    def __init__(self, project: Path) -> None:
        self.project = project
        own = [Path(config.path) for config in own_apps.configs()]
        self._folders = {*_OURS, project / APPS_FOLDER, *own}
        self._seen = self._look()

    def have_changed(self) -> bool:
        """Whether a file has changed since the last call."""
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def _look(self) -> dict[Path, int]:
        found = {}
        for path in (path for folder in self._folders for path in folder.rglob("*")):
            if path.suffix in _KINDS:
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # an editor is replacing it
                    continue
        return found
