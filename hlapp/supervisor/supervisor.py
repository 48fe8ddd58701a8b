"""All programs of one machine, in the order of their start. They end together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from hlapp import development
from hlapp.supervisor.keeper import KILL_AFTER_SECONDS, Keeper
from hlapp.supervisor.outputs import Output
from hlapp.supervisor.programs import Program
from hlapp.supervisor.started_program import StartedProgram
from integrations.core import clock


class Supervisor:
    """Starts programs and keeps them running. The caller calls `look` several times a second, in the main thread."""

    def __init__(self, env: Mapping[str, str], output: Output) -> None:
        self.env = env
        self.keepers: dict[str, Keeper] = {}
        self._output = output
        self._to_renew: list[str] = []

    def run(self, program: Program) -> None:
        """Start the program, and keep it running from now on."""
        self.keepers[program.name] = Keeper(program, self._launch, self._output.where)

    def look(self) -> list[str]:
        """Restart what has ended, embedded servers first, and go on with a renewal. Returns what happened, for display.

        Raises CannotStart and EmbeddedError.
        """
        servers = [f"{name} had ended and was started again" for name in development.restart_ended()]
        news = [line for keeper in self.keepers.values() for line in keeper.look()]
        if self._to_renew and not any(keeper.is_renewing for keeper in self.keepers.values()):
            self.keepers[self._to_renew.pop(0)].renew()
        return servers + news

    def renew(self) -> None:
        """Have `look` replace every process by a new one, one program after the other, without a gap."""
        self._to_renew = [*self.keepers]

    def start_again(self, names: Sequence[str]) -> None:
        """End these together, then start them: they have a moment in which none of them runs."""
        chosen = [self.keepers[name] for name in names]
        _end([*reversed(chosen)])
        for keeper in chosen:
            keeper.start_again()

    def stop(self) -> None:
        """End all processes, within 25 seconds."""
        for keeper in self.keepers.values():
            if keeper.program.listener is not None:
                keeper.program.listener.close()  # a connection that nothing will accept should be refused
        _end([*reversed(self.keepers.values())])

    def _launch(self, program: Program, number: int) -> StartedProgram:
        output = self._output.open(program.name)
        try:
            return StartedProgram(program, number, self.env, output)
        finally:
            os.close(output)


def _end(keepers: Sequence[Keeper]) -> None:
    for keeper in keepers:
        keeper.ask_to_end()
    until = clock.monotonic() + KILL_AFTER_SECONDS
    for keeper in keepers:
        keeper.wait(until)
