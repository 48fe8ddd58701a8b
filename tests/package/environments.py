"""Empty virtual environments for the wheel.

No index is asked: what hlapp needs is found in the environment of these tests, by a `.pth` file. pip sees it there, and
so checks the wheel's requirements against it and installs the wheel alone, as in an environment that has them already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

TOOLS = ("mypy", "ruff")  # commands that the extra `checking` would put beside Python
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", "PIP_NO_COMPILE": "1"}


def make(place: Path) -> Path:
    """Make an environment at `place`, without hlapp. Returns its Python."""
    venv.create(place, symlinks=True, with_pip=False)
    python = place / "bin/python"
    (site,) = place.glob("lib/python*/site-packages")
    (site / "of_these_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in TOOLS:
        tool = place / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
        if name == "mypy":  # it looks for packages where its own Python does
            tool.write_text(f'#!/bin/sh\nexec "{python}" -m mypy "$@"\n')
        tool.chmod(0o755)
    return python


def run(command: list[str], *, cwd: Path, bin_: Path | None = None, **environ: str) -> str:
    """What the command prints, with a bare environment and `bin_` first on its path. Raises AssertionError."""
    path = os.pathsep.join([*([str(bin_)] if bin_ else []), os.environ["PATH"]])
    bare = {"PATH": path, "HOME": str(cwd), **OFFLINE, **environ}
    done = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
