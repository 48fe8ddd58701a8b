"""Process supervisor of the demo: starts sandbox, web, worker and beat, and restarts those that die.

They end with the demo (`hlapp.embedded.child`) and write to log files. They are restarted when they die, as a process
manager does it. Try to kill the worker in the middle of a sync.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hlapp import development
from hlapp.embedded import child
from hlapp.embedded.process import Watchdog
from integrations.core import clock

_STOP_SECONDS = 22.0  # for all together; a worker with a hung thread takes 21 s
_MAX_RESTARTS = 20


class DemoFailed(Exception):
    """The demo cannot continue. The message is one line with the reason."""


@dataclass
class Process:
    """One child. `argv` follows the Python interpreter's path."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    restarts: int = 0
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _watchdog: Watchdog | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process; it ends when the demo ends."""
        tie = [str(os.getpid()), str(int(signal.SIGTERM)), str(os.geteuid())]
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: S603 - a command of our own, no shell
                [sys.executable, "-I", "-S", str(child.__file__), *tie, sys.executable, *self.argv],
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watchdog = Watchdog(self._running.pid, signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._running is not None
        return self._running.pid

    def restart_ended(self) -> str | None:
        """Start it again if it has died. Returns what happened, for display."""
        if self._running is None or self._running.poll() is None:
            return None
        if self.restarts >= _MAX_RESTARTS:
            raise DemoFailed(f"{self.name} does not stay up: see {self.log}")
        status = self._running.returncode
        self.restarts += 1
        self._call_off()
        self.start()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"{self.name} {how} and was started again"

    def ask_to_stop(self) -> None:
        """Send SIGTERM if it runs."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait until it has ended; kill its process group at `until` (monotonic)."""
        if self._running is None:
            return
        try:
            self._running.wait(max(0.0, until - clock.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self._call_off()

    def _call_off(self) -> None:
        if self._watchdog is not None:
            self._watchdog.call_off()

    def memory(self) -> int:
        """Resident bytes of the process and of its own children (gunicorn's master and worker, say)."""
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,rss="],  # noqa: S607 - found on every platform we support
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
        return sum(rss * 1024 for pid, parent, rss in rows if self.pid in (pid, parent))


class Supervisor:
    """All processes, in the order of their start. They stop in the reverse order."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.env = env
        self.processes: dict[str, Process] = {}

    def run(self, name: str, *argv: str) -> Process:
        """Start `python *argv` under `name`, with an empty log file."""
        process = Process(name, argv, self.env, self.directory / f"{name}.log")
        process.log.write_bytes(b"")
        self.processes[name] = process
        process.start()
        return process

    def restart_ended(self) -> list[str]:
        """Start ended processes again, the servers first. Returns what happened, for display."""
        servers = [f"{name} had ended and was started again" for name in development.restart_ended()]
        return servers + [news for process in self.processes.values() if (news := process.restart_ended())]

    def stop(self) -> None:
        """Stop all processes, the last started first."""
        _stop([*reversed(self.processes.values())])

    def renew(self, names: Sequence[str]) -> None:
        """Stop these together, and start them with the current code."""
        chosen = [self.processes[name] for name in names]
        _stop([*reversed(chosen)])
        for process in chosen:
            process.restarts = 0
            process.start()


def _stop(processes: Sequence[Process]) -> None:
    for process in processes:
        process.ask_to_stop()
    until = clock.monotonic() + _STOP_SECONDS
    for process in processes:
        process.wait(until)
