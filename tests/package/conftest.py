"""The wheel, built once for all tests here."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hlapp.project import PACKAGE
from tests.package import environments

ROOT = PACKAGE.parent
SOURCES = (
    "hlapp",
    "integrations",
    "requirements",
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, as of a source distribution: without Git, and with nothing beside it."""
    pytest.importorskip("build", reason="`make check` installs it")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(one, source / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(source)]
    environments.run(build, cwd=source)
    (built,) = out.glob("*.whl")
    return built
