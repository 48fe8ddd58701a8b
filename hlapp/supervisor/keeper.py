"""Keeps one program running: restarts it with back-off when it ends, and renews it without a gap.

A renewal starts a new process beside the old one and ends the old one when the new one has reported that it is ready.
The web's socket belongs to the supervisor, so connections meanwhile wait or are accepted, and none is refused. If the
new process does not come up, the old one goes on. A program that may run only once (beat) is ended first.

A program that ends three times before it was ever ready, or that refuses its configuration (`hlapp.start.REFUSED`),
can never start: `CannotStart` has what it said. One that has been ready is restarted for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hlapp.start import REFUSED
from hlapp.supervisor.programs import Program
from hlapp.supervisor.started_program import StartedProgram
from integrations.core import clock

STEADY_SECONDS = 10.0  # a process that ran so long starts again at once when it ends, and counts as ready
LONGEST_PAUSE = 60.0
READY_SECONDS = 60.0  # for the new process of a renewal
KILL_AFTER_SECONDS = 23.0  # from SIGTERM to SIGKILL; a worker with a hung thread takes 21 s
MEMORY_SECONDS = 10.0  # between two looks at a process's memory
_TRIES = 3


class CannotStart(Exception):
    """The program can never start. The message is one line with the reason."""


class Keeper:
    """`launch` starts the program's process with the number of the start; `where` ends an error message."""

    def __init__(
        self, program: Program, launch: Callable[[Program, int], StartedProgram], where: Callable[[str], str]
    ) -> None:
        self.program = program
        self._launch, self._where = launch, where
        self._starts = self._quick_ends = 0
        self._was_ready = False
        self._start_at = 0.0
        self._looked_at_memory = clock.monotonic()
        self._successor: StartedProgram | None = None
        self._leaving: list[tuple[StartedProgram, float]] = []  # with the time of SIGKILL
        self._current: StartedProgram | None = self._start()

    @property
    def name(self) -> str:
        """Name of the program."""
        return self.program.name

    @property
    def pid(self) -> int:
        """Process id of the current process. Raises LookupError while none runs."""
        if self._current is None:
            raise LookupError(f"{self.name} does not run")
        return self._current.pid

    @property
    def is_renewing(self) -> bool:
        """Whether a new process comes up, or an old one still ends."""
        return self._successor is not None or bool(self._leaving) or self._current is None

    def memory(self) -> int:
        """Resident bytes of the current process and its children; 0 while none runs."""
        return self._current.memory() if self._current is not None else 0

    def renew(self) -> None:
        """Begin to replace the process by a new one. Nothing while one is coming up."""
        if self._current is None or self._successor is not None:
            return
        if self.program.is_single:
            self._leave(self._current)
            self._current = None
        else:
            self._successor = self._start()

    def look(self) -> Iterator[str]:
        """Do what is due. Yields what happened, for display. Raises CannotStart."""
        now = clock.monotonic()
        self._leaving = [(one, until) for one, until in self._leaving if not _has_left(one, until, now)]
        if self._successor is not None:
            yield from self._look_at_successor(self._successor, now)
        if self._current is not None and self._current.status is not None:
            yield self._after_its_end(self._current, now)
        elif self._current is not None:
            self._was_ready = self._was_ready or self._is_proven(self._current, now)
            yield from self._look_at_memory(now)
        if self._current is None and now >= self._start_at and not (self.program.is_single and self._leaving):
            self._current = self._start()

    def ask_to_end(self) -> None:
        """Send SIGTERM to every process of the program."""
        for one in self._all():
            one.ask_to_end()

    def wait(self, until: float) -> None:
        """Wait until all have ended; kill what still runs at `until` (monotonic)."""
        for one in self._all():
            one.wait(until)
        self._current, self._successor, self._leaving = None, None, []

    def start_again(self) -> None:
        """Start a process after `wait`, as if for the first time."""
        self._quick_ends, self._was_ready = 0, False
        self._current = self._start()

    def _all(self) -> list[StartedProgram]:
        running = [self._current, self._successor, *(one for one, _ in self._leaving)]
        return [one for one in running if one is not None]

    def _start(self) -> StartedProgram:
        self._starts += 1
        return self._launch(self.program, self._starts)

    def _leave(self, old: StartedProgram) -> None:
        old.ask_to_end()
        self._leaving.append((old, clock.monotonic() + KILL_AFTER_SECONDS))

    def _is_proven(self, one: StartedProgram, now: float) -> bool:
        return one.is_ready() or now - one.started_at > STEADY_SECONDS

    def _look_at_successor(self, new: StartedProgram, now: float) -> Iterator[str]:
        if new.status is not None:
            self._successor = None
            new.forget()
            yield f"the new process of {self.name} {new.how_it_ended}, the old one goes on: {self._where(self.name)}"
        elif new.is_ready():
            self._successor, old, self._current = None, self._current, new
            if old is not None:
                self._leave(old)
            yield f"{self.name} was renewed"
        elif now - new.started_at > READY_SECONDS:
            self._successor = None
            self._leave(new)
            yield f"the new process of {self.name} was not ready in {READY_SECONDS:.0f} s, the old one goes on"

    def _after_its_end(self, ended: StartedProgram, now: float) -> str:
        """Decide when it starts again. Raises CannotStart when it never will."""
        self._current = None
        self._was_ready = self._was_ready or self._is_proven(ended, now)
        ended.forget()
        self._quick_ends = 1 if now - ended.started_at > STEADY_SECONDS else self._quick_ends + 1
        if not self._was_ready and (ended.status == REFUSED or self._quick_ends >= _TRIES):
            raise CannotStart(f"{self.name} cannot start, it {ended.how_it_ended}: {self._where(self.name)}")
        if self._successor is not None:
            self._current, self._successor = self._successor, None
            return f"{self.name} {ended.how_it_ended} while its new process was coming up"
        if self._quick_ends == 1:
            return f"{self.name} {ended.how_it_ended} and was started again"
        pause = min(LONGEST_PAUSE, 2.0 ** (self._quick_ends - 2))
        self._start_at = now + pause
        return f"{self.name} {ended.how_it_ended}, it starts again in {pause:.0f} s: {self._where(self.name)}"

    def _look_at_memory(self, now: float) -> Iterator[str]:
        if not self.program.memory_limit or self.is_renewing or now - self._looked_at_memory < MEMORY_SECONDS:
            return
        self._looked_at_memory = now
        used, limit = self.memory() // 2**20, self.program.memory_limit // 2**20
        if used > limit:
            self.renew()
            yield f"{self.name} uses {used} MB, more than {limit} MB, and is renewed"


def _has_left(one: StartedProgram, until: float, now: float) -> bool:
    if one.status is None and now < until:
        return False
    one.wait(until)
    return True
