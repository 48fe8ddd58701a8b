"""Chromium for the tests marked `browser`: skipped loudly where there is none, a failure in CI."""

from __future__ import annotations

import os
import shutil

import pytest

# The shell has no windows of its own to draw, and takes half the time for the same pages.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ABSENT = "no Chromium found: run `make chromium`, or set CHROMIUM to its path"


def find() -> str | None:
    """Path of Chromium: `CHROMIUM` if set, else the first of `NAMES` on PATH."""
    chosen = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [chosen] if chosen else NAMES)), None)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def require() -> str:
    """Path of Chromium. Without one the test is skipped, in CI it fails."""
    path = find()
    if path is None and in_ci():
        pytest.fail(ABSENT, pytrace=False)
    return path or pytest.skip(ABSENT)


def report(terminal: pytest.TerminalReporter) -> None:
    """A line that nobody overlooks when browser tests were skipped."""
    skipped = [test for test in terminal.stats.get("skipped", []) if ABSENT in str(test.longrepr)]
    if skipped:
        message = f"{len(skipped)} browser tests SKIPPED: {ABSENT}"
        terminal.write_sep("!", message, yellow=True, bold=True)
