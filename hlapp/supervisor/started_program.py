"""One running process of a program. It ends when the supervisor ends, however that happens (`hlapp.embedded.child`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from hlapp.embedded import child
from hlapp.embedded.process import Watchdog
from hlapp.supervisor import programs, readiness, resident
from hlapp.supervisor.programs import Program
from integrations.core import clock


class StartedProgram:
    """Starts with the object, from the main thread. `number` counts the starts of the program."""

    def __init__(self, program: Program, number: int, env: Mapping[str, str], output: int) -> None:
        self.started_at = clock.monotonic()
        self._is_ready = False
        self._ready, ready = os.pipe()
        os.set_blocking(self._ready, False)
        inherited = (ready,) if program.listener is None else (ready, program.listener.fileno())
        tie = [str(os.getpid()), str(int(signal.SIGTERM)), str(os.geteuid())]
        argv = [word.replace(programs.START, str(number)) for word in program.argv]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a command of our own, no shell
                [sys.executable, "-I", "-S", str(child.__file__), *tie, sys.executable, *argv],
                env={**env, readiness.VARIABLE: str(ready)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=inherited,
            )
        finally:
            os.close(ready)
        self._watchdog = Watchdog(self._process.pid, signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def how_it_ended(self) -> str:
        """For display, such as `was killed by SIGKILL`."""
        status = self._process.returncode
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def is_ready(self) -> bool:
        """Whether it has reported that it does its work."""
        if not self._is_ready:
            try:
                self._is_ready = os.read(self._ready, 1) == b"1"
            except BlockingIOError:
                return False
        return self._is_ready

    def ask_to_end(self) -> None:
        """Send SIGTERM if it runs."""
        if self.status is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait until it has ended; kill its process group at `until` (monotonic)."""
        try:
            self._process.wait(max(0.0, until - clock.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Release what the supervisor keeps for a process that has ended."""
        self._watchdog.call_off()
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1

    def memory(self) -> int:
        """Resident bytes of the process and of its own children (gunicorn's master and worker, say)."""
        return resident.of_family(self.pid)
