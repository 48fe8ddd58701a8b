"""Where the standard output and error of supervised processes go: to a file for each, or to one stream.

In one stream each line says which process wrote it: as a prefix for a person, as a field for a machine.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Protocol, TextIO

from integrations.core import clock
from integrations.core.redaction import redact_log_value
from integrations.core.texts import printable

_WIDTH = 13  # of the longest name, worker-urgent
_REST_SECONDS = 1.0  # for the rest of what an ended process has said


class Output(Protocol):
    """Destination of what processes write."""

    def open(self, name: str) -> int:
        """A descriptor for the output of the process; the caller closes it after the start."""

    def where(self, name: str) -> str:
        """The end of an error message: what the process said last, or where to read it."""


class LogFiles:
    """A file for each process, `<directory>/<name>.log`, empty at the first start."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._opened: set[str] = set()

    def open(self, name: str) -> int:
        """See `Output`."""
        again = os.O_APPEND if name in self._opened else os.O_TRUNC
        self._opened.add(name)
        return os.open(self._directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | again, 0o644)

    def where(self, name: str) -> str:
        """See `Output`."""
        return f"see {self._directory / name}.log"


class PrefixedLines:
    """One stream for all processes; each line begins with the name of its process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}
        self._copying: dict[str, threading.Thread] = {}

    def open(self, name: str) -> int:
        """See `Output`."""
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._copy, args=(name, reading), name=f"output-{name}", daemon=True)
        self._copying[name] = thread
        thread.start()
        return writing

    def where(self, name: str) -> str:
        """See `Output`."""
        self._copying[name].join(_REST_SECONDS)
        return self._last.get(name) or "it said nothing"

    def write(self, name: str, line: str) -> None:
        """Write one line."""
        text = self._line(name, line)
        with self._lock:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def _line(self, name: str, line: str) -> str:
        return f"{name:<{_WIDTH}} | {printable(line)}"

    def _copy(self, name: str, reading: int) -> None:
        """Copy until the process and its children have closed their ends."""
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                text = line.rstrip()
                self._last[name] = text or self._last.get(name, "")
                if text:
                    self.write(name, text)


class JsonLines(PrefixedLines):
    """One stream for all processes, in which every line is a JSON object that names its process.

    A process writes its log so already. What else it writes, such as the last words of an interpreter, becomes a line
    of the log.
    """

    def _line(self, name: str, line: str) -> str:
        if line.startswith('{"') and line.endswith("}"):
            return f'{{"process": "{name}", {line[1:]}'
        at = clock.now().isoformat().replace("+00:00", "Z")
        said = {"process": name, "event": redact_log_value(line), "level": "info", "timestamp": at}
        return json.dumps(said)
