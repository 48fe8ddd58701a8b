"""A process of its own that runs embedded servers, and what can be seen of them from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
_PROGRAM = """
import json, sys
from pathlib import Path
from hlapp import embedded
services = embedded.start(Path(sys.argv[1]), **json.loads(sys.argv[2]))
shown = {"database": services.database_url, "redis": services.redis_url, "joined": services.joined}
print(json.dumps(shown), flush=True)
sys.stdin.read()
services.stop()
"""


class Launcher:
    """Starts servers in another process; `end()` lets it finish, `process` is there to be killed."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(directory), json.dumps(options)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        shown: dict[str, Any] = json.loads(self.process.stdout.readline())
        return shown

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode

    def kill(self, signal: int) -> None:
        self.process.send_signal(signal)
        self.process.communicate(timeout=60)


def processes_in(directory: Path) -> list[int]:
    """Processes whose working directory lies in `directory`: a server's is its data directory."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _within(pid, directory)]


def command_lines(pids: list[int]) -> str:
    return "\n".join(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in pids)


def _within(pid: int, directory: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(directory.resolve())
    except OSError:
        return False
