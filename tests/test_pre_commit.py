"""The Git hooks of `.pre-commit-config.yaml` are the commands of `make check`, no fewer and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def recipe() -> str:
    """The commands of `make check` as the shell gets them, on one line."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = makefile.split("\ncheck: ", 1)[1].split("\n\n", 1)[0]
    for name, value in (("$(VENV)", ".venv"), ("$(PYTHON)", ".venv/bin/python"), ("\\\n", " ")):
        lines = lines.replace(name, value)
    return " ".join(lines.split())


def test_hooks_run_the_commands_of_make_check() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    commands = dict(re.findall(r"name: (.+)\n\s+language: system\n\s+entry: (.+)\n", hooks))
    assert commands
    assert set(commands) == set(re.findall(r'echo "([a-zA-Z, ]+)" &&', recipe()))
    missing = {name: entry for name, entry in commands.items() if entry.removeprefix("env ") not in recipe()}
    assert missing == {}
