"""Server processes that cannot outlive the process that started them, however that one ends.

Linux: the kernel signals the child when its parent's *thread* ends (`child.py`), so servers are started from
the main thread. Elsewhere (macOS) a shell waits on a pipe that only we hold open and passes the signal on.
Servers get a session of their own: Ctrl-C reaches us, and we stop them when our own work has ended.

root: PostgreSQL refuses to run as root, so the servers of root run as `nobody`. No account is added.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import pwd

_CHILD = Path(__file__).with_name("child.py")
# Nothing of the developer's own PG*, LD_* or locale settings reaches a server.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def server_uid() -> int:
    """The user servers run as: ourselves, unless we are root."""
    return os.geteuid() or _nobody()


def _nobody() -> int:
    """User id of `nobody`. Without that account it is the usual one: initdb refuses it, but Valkey does not."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return 65534


@dataclass(frozen=True)
class ServerCommand:
    """Command of a server. `input` is written to its standard input; `keep` is a descriptor that stays open in it."""

    argv: Sequence[str]
    directory: Path
    input: bytes
    death_signal: int
    keep: int


class Server:
    """A running server process, a child of this process."""

    def __init__(self, command: ServerCommand, log: IO[bytes]) -> None:
        self._command = command
        self._process = _spawn(command, log)
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(command.input)
        self._watchdog = Watchdog(self._process.pid, command.death_signal)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def stop(self, signal: int, timeout: float) -> None:
        """Signal it; what does not end within `timeout` seconds is killed."""
        self._watchdog.call_off()
        if self.alive:
            self._process.send_signal(signal)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run(command: ServerCommand) -> tuple[int, str]:
    """Run to the end: exit status, and everything it printed."""
    process = _spawn(command, subprocess.PIPE)
    output, _ = process.communicate(command.input)
    return process.returncode, output.decode(errors="replace")


def _spawn(command: ServerCommand, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
    tie = [str(os.getpid()), str(int(command.death_signal)), str(server_uid())]
    return subprocess.Popen(  # noqa: S603 - paths of our own, no shell
        [sys.executable, "-I", "-S", str(_CHILD), *tie, *command.argv],
        cwd=command.directory,
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=(command.keep,),
        start_new_session=True,
    )


class Watchdog:
    """Signals the child when this process has ended. On Linux the kernel does it instead (`child.py`)."""

    def __init__(self, pid: int, signal: int, *, needed: bool = sys.platform != "linux") -> None:
        self._shell = _watch(pid, signal) if needed else None

    def call_off(self) -> None:
        """Stop watching: the child has ended or is being stopped."""
        if self._shell is not None:
            self._shell.kill()
            self._shell.communicate()
            self._shell = None


def _watch(pid: int, signal: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - numbers only
        ["/bin/sh", "-c", f"read _; kill -{int(signal)} {pid}"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
