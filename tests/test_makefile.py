"""Every recipe of the Makefile is valid shell, also in the branches that this machine does not take."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()


def parses(script: str) -> bool:
    return subprocess.run(["sh", "-n"], input=script, text=True, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("target", TARGETS)
def test_the_recipe_is_valid_shell(target: str) -> None:
    recipe = subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert recipe
    assert parses(recipe)


def test_invalid_shell_is_noticed() -> None:
    assert not parses("if true; then A=1 { echo a || echo b; }; fi")
