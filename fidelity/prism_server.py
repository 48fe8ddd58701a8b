"""Runs Prism (`@stoplight/prism-cli`), an independent validator, as a HighLevel made of one OpenAPI file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LISTENING = re.compile(r"Prism is listening on (http://[\d.]+:\d+)")


@contextmanager
def mock(prism: Path, document: Path) -> Iterator[str]:
    """Prism's mock server for one file; gives its URL. Raises RuntimeError with its last lines if it does not start."""
    command = [str(prism), "mock", "--host", "127.0.0.1", "--port", "0", str(document)]
    process = subprocess.Popen(  # noqa: S603 - the program that the Makefile installs
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _address(process: subprocess.Popen[str]) -> str:
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if found := LISTENING.search(line):
            return found[1]
    raise RuntimeError("Prism did not start: " + "".join(lines[-10:]))
