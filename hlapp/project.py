"""The project: the directory that holds `manage.py`, the folder `apps/` and, written at run time, `.hlapp/`.

It is the directory that HLAPP_PROJECT names; else the current one, if it has `settings.py` and `apps/`; else the
checkout of hlapp, which is a project of its own. With hlapp installed as a package there is no checkout, and the
current directory is the project.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
APPS_FOLDER = "apps"
_PARTS = ("manage.py", "settings.py", APPS_FOLDER)


def directory() -> Path:
    """The project's directory, absolute."""
    if named := os.environ.get("HLAPP_PROJECT"):
        return Path(named).resolve()
    checkout, here = PACKAGE.parent, Path.cwd()
    is_project = (here / "settings.py").is_file() and (here / APPS_FOLDER).is_dir()
    return checkout if (checkout / "manage.py").is_file() and not is_project else here


def installing(extra: str, requirements: str) -> str:
    """The command that installs an extra of hlapp: of the wheel, or in a checkout the file of it in `requirements/`."""
    in_checkout = (PACKAGE.parent / "requirements" / requirements).is_file()
    return f"pip install -r requirements/{requirements}" if in_checkout else f"pip install 'hlapp[{extra}]'"


def requirements() -> str:
    """What production installs: our file in a checkout, the file of a project that `hlapp new` made, or the wheel."""
    names = ("requirements/base.txt", "requirements.txt")
    return next((name for name in names if (directory() / name).is_file()), "the new wheel of hlapp")


def prepare() -> None:
    """Make the project's modules importable, and choose its `settings.py`, or ours if it has none.

    Every entry point calls it before it reads a setting. DJANGO_SETTINGS_MODULE precedes. A directory that holds no
    part of a project gets no place on the path: a `json.py` where a command happens to be started must not run.
    """
    root = directory()
    is_meant = "HLAPP_PROJECT" in os.environ or any((root / name).exists() for name in _PARTS)
    if is_meant and str(root) not in sys.path:
        sys.path.insert(0, str(root))
    own = (root / "settings.py").is_file()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings" if own else "hlapp.settings")
