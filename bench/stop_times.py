"""Seconds from SIGTERM to exit of web, workers and beat while webhooks come in: `python -m bench.stop_times`.

A container platform kills after 30 seconds, and 25 are promised. Exits with 1 when a process took longer.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from bench.chaos_webhooks.deployment import Deployment, Sender, deployed, make, prepare_tenants, wait_for_web
from hlapp.supervisor.keeper import STEADY_SECONDS, Keeper

MOST_SECONDS = 25.0
PROGRAMS = ("web", "worker-killed", "beat")
# Seconds for a started process to be in the middle of its work, and longer than the supervisor wants of one that it
# starts again without a pause.
_SETTLED = STEADY_SECONDS + 1.0


def stop_once(deployment: Deployment, name: str) -> float:
    """Send SIGTERM, wait until the process has ended, and let the supervisor start it again."""
    keeper = deployment.supervisor.keepers[name]
    pid, began = keeper.pid, time.monotonic()
    os.kill(pid, signal.SIGTERM)
    while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
        time.sleep(0.01)
    seconds = time.monotonic() - began
    _let_settle(deployment, keeper, pid)
    if name == "web":
        wait_for_web()
    return seconds


def _let_settle(deployment: Deployment, keeper: Keeper, ended: int) -> None:
    """Wait until a process after the ended one has run for `_SETTLED`."""
    started: float | None = None
    while started is None or time.monotonic() - started < _SETTLED:
        deployment.supervisor.look()
        with suppress(LookupError):
            started = started or (time.monotonic() if keeper.pid != ended else None)
        time.sleep(0.1)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def main() -> None:
    """Stop each program so many times, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--deliveries", type=int, default=60_000)
    given = parser.parse_args()
    world = make(given.deliveries, 200, random.Random(1))
    sender, found = Sender(world), {}
    with (
        tempfile.TemporaryDirectory(prefix="hlapp-stop-") as name,
        deployed(Path(name)) as deployment,
    ):
        prepare_tenants(world)
        wait_for_web()
        sender.start()
        for program in PROGRAMS:
            found[program] = [stop_once(deployment, program) for _ in range(given.times)]
            took = found[program]
            sys.stdout.write(f"{program:<14} median {statistics.median(took):5.2f} s, longest {max(took):5.2f} s\n")
            sys.stdout.flush()
    sys.stdout.write(f"answers meanwhile: {dict(sender.answers)}\n")
    sys.exit(1 if max(map(max, found.values())) > MOST_SECONDS else 0)


if __name__ == "__main__":
    main()
