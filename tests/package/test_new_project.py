"""A project of the wheel alone: the tutorial word for word, then the examples, and an app of another package.

Commands are run as the tutorial has them, in an empty directory, with environments that have the wheel and no checkout.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.package import environments
from tests.package.conftest import ROOT

TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", TUTORIAL, re.DOTALL)
EXAMPLES = ROOT / "docs/examples"
UNREACHABLE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "REDIS_URL": "redis://127.0.0.1:1/0"}
LOOK = """
import hlapp
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from integrations.jobs.define import JOBS
print("files", hlapp.__file__, get_template("base.html").origin, finders.find("site/site.css"))
print("apps", *settings.OWN_APPS)
print("jobs", *sorted(JOBS))
"""
# An app that is installed by pip, which hlapp finds by its entry point.
BAKERY = {
    "pyproject.toml": """
[project]
name = "bakery"
version = "1.0"
[project.entry-points."hlapp.apps"]
bakery = "bakery"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
    "bakery/__init__.py": "",
    "bakery/jobs.py": """
from hlapp.api import JobRun, background_job


@background_job("bakery.bake")
def bake(run: JobRun) -> None:
    run.count("baked")
""",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Reader:
    """Does what the tutorial says."""

    def __init__(self, wheel: Path, place: Path) -> None:
        self.place, self.project = place, place / "shop"
        self.python = environments.make(place / "environment")
        (place / "dist").mkdir()
        shutil.copy2(wheel, place / "dist")
        self.last = ""

    def type(self, line: str) -> None:
        """One line of a block for the shell."""
        match line.split():
            case ["pip", *_]:
                self._run([str(self.python), "-m", *line.split()], cwd=self.place)
            case ["hlapp", "new", *_]:
                self._run(line.split(), cwd=self.place)
                assert list((self.project / "wheels").glob("hlapp-*.whl"))
                # Its Makefile makes it where it is not there; then pip would need an index.
                self.python = environments.make(self.project / ".venv")
                self._run(["make", ".venv/.installed"], cwd=self.project)
            case ["cd", "shop"]:
                assert self.project.is_dir()
            case ["make", "test" | "check"]:
                self.make(line.split()[1])
            case _:
                pytest.fail(f"the tutorial's command has no counterpart here: {line}")

    def add(self, lines: list[str]) -> None:
        """`manage.py new …` of one block, by one process, and the kind that the tutorial has no use for."""
        lines = [*lines, "python manage.py new resource my_groups --operation calendars.get-groups --list groups"]
        calls = [f"call_command(*{shlex.split(line.removeprefix('python manage.py '))})" for line in lines]
        self.shell("\n".join(["from django.core.management import call_command", *calls]))

    def shell(self, program: str) -> None:
        """A program in the project, which needs no server."""
        command = [str(self.python), "manage.py", "shell", "-c", program]
        self._run(command, cwd=self.project, DEBUG="true", **UNREACHABLE)

    def make(self, target: str, **variables: str) -> None:
        """On the servers of this run, with another database there."""
        database = urlsplit(os.environ["DATABASE_URL"])._replace(path="/of_a_new_project").geturl()
        given = [f"{name}={value}" for name, value in variables.items()]
        self._run(["make", target, *given], cwd=self.project, DATABASE_URL=database, REDIS_URL=os.environ["REDIS_URL"])

    def copy_examples(self) -> list[str]:
        """The examples and their tests, as their page says. Returns the names of the apps."""
        names = sorted(one.parent.name for one in EXAMPLES.glob("*/__init__.py"))
        for name in names:
            shutil.copytree(EXAMPLES / name, self.project / "apps" / name)
            shutil.copy2(EXAMPLES / f"tests/test_{name}.py", self.project / "tests")
        return names

    def install_bakery(self) -> None:
        """An app of another package. hatchling is one of our locked packages, so no index is asked."""
        for name, text in BAKERY.items():
            (self.place / "bakery" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / "bakery" / name).write_text(text)
        install = ["-m", "pip", "install", "--no-build-isolation", str(self.place / "bakery")]
        self._run([str(self.python), *install], cwd=self.place)

    def printed(self, first: str) -> list[str]:
        """The words of the line that begins with this word."""
        return next(line.split()[1:] for line in self.last.splitlines() if line.startswith(f"{first} "))

    def _run(self, command: list[str], *, cwd: Path, **environ: str) -> None:
        self.last = environments.run(command, cwd=cwd, bin_=self.python.parent, **environ)


def test_the_tutorial_and_the_examples_work_with_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    reader = Reader(wheel, tmp_path)
    commands = [block for language, block in BLOCKS if language == "sh"]
    for language, block in BLOCKS:
        lines = block.splitlines()
        if language == "python":
            (reader.project / lines[0].removeprefix("# ")).write_text("\n".join(lines[1:]) + "\n")
        elif lines[0].startswith("python manage.py new"):
            reader.add(lines)
        else:
            for line in lines:
                # The tests are run once, with all that the tutorial adds, and the checks at the end.
                if line != "make check" and (line != "make test" or block is commands[-1]):
                    reader.type(line)
    assert "8 passed" in reader.last

    examples = reader.copy_examples()
    reader.install_bakery()
    reader.shell(LOOK)
    site = reader.project / ".venv"
    assert all(Path(path).is_relative_to(site) for path in reader.printed("files")), "nothing of the checkout is used"
    assert reader.printed("apps") == ["bakery", *(f"apps.{name}" for name in sorted([*examples, "shop"]))]
    assert {"bakery.bake", "inbound.move_on", "reminders.send", "shop.note_messages"} <= set(reader.printed("jobs"))
    # In two processes, each with a database and a vendor of its own.
    reader.make("test", ARGS=" ".join(["-n 2", *(f"tests/test_{name}.py" for name in examples)]))
    assert f"{len(examples)} passed" in reader.last
    reader.make("check")
    assert (reader.project / ".hlapp/secrets.json").is_file(), "what it keeps is beside the project"
