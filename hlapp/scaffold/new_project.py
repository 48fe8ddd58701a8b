"""`hlapp new NAME`: a project with one app, which has a job, an event handler, a page, a model, and their tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from hlapp.scaffold import naming, templates

USAGE = (
    "hlapp new NAME [--wheels DIR] makes a project in ./NAME, with the wheel of hlapp that is in DIR; "
    "in a project, manage.py new job|page|resource|handler NAME adds one"
)
WHEELS = "wheels"  # where the project's Makefile and Containerfile look for it


def main(arguments: Sequence[str]) -> str | int:
    """Make the project. Returns 0, or one line that says what to do instead."""
    match arguments:
        case [name] if not name.startswith("-"):
            wheel = None
        case [name, "--wheels", folder] | ["--wheels", folder, name]:
            wheel = Path(folder) / f"hlapp-{_version()}-py3-none-any.whl"
        case _:
            return USAGE
    if reason := naming.problem(name):
        return reason
    if wheel is not None and not wheel.is_file():
        return (
            f"there is no {wheel}, the wheel of the hlapp that runs: `make wheel` in its checkout writes one to dist/"
        )
    root = Path.cwd() / name
    if root.exists():
        return f"{root} exists: choose another name, or another directory"
    for path, text in templates.of_kind("project", {"app": name, "name": name, "version": _version()}):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / "manage.py").chmod(0o755)
    if wheel is not None:
        (root / WHEELS).mkdir()
        shutil.copy2(wheel, root / WHEELS)
    sys.stdout.write(f"made {root}: cd {name} && make test\n")
    return 0


def _version() -> str:
    """The version of hlapp that runs, or the next one in a checkout."""
    try:
        return metadata.version("hlapp")
    except metadata.PackageNotFoundError:
        return "0.1.0"
