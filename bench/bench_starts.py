"""Benchmark of the commands that an operator types in an emergency: seconds from the shell until they begin.

    python -m bench.bench_starts

Each runs as a process of its own through `hlapp.command_line`, with the imports, the settings and the system checks of
Django. Where its work would begin it ends. The best of several is judged: a busy machine only adds to it.
"""

from __future__ import annotations

import argparse
import os

from bench.setup import prepare

argparse.ArgumentParser(prog="bench.bench_starts").parse_args()
prepare("hlapp_bench_starts")

import subprocess  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
import time  # noqa: E402

from bench.bounds import Bounds  # noqa: E402

COMMANDS = (("status",), ("doctor",), ("audit", "verify"))
REPEATS, MOST = 7, 1.0  # seconds, on 2 cores
# The command as `manage.py` runs it, with nothing to do.
BEGIN = """
import sys
from django.core.management import ManagementUtility
from hlapp.command_line import main
fetch = ManagementUtility.fetch_command
def fetch_idle(self, name):
    command = fetch(self, name)
    command.handle = lambda *_, **__: "begun"
    return command
ManagementUtility.fetch_command = fetch_idle
sys.exit(main(["manage.py", *sys.argv[1:]]))
"""


def seconds(command: tuple[str, ...]) -> float:
    """How long one start takes. Raises CalledProcessError for a command that fails."""
    started = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", BEGIN, *command], check=True, capture_output=True, text=True)
    took = time.perf_counter() - started
    assert "begun" in ran.stdout, ran.stdout
    return took


def main() -> None:
    """Start each command several times and judge the best."""
    sys.stdout.write(f"Starts of commands, {os.cpu_count()} cores\n")
    bounds = Bounds()
    for command in COMMANDS:
        seconds(command)  # compiled files are written once
        bounds.judge(f"manage.py {' '.join(command)}, seconds", min(seconds(command) for _ in range(REPEATS)), MOST)
    bounds.finish()


if __name__ == "__main__":
    main()
