"""`manage.py serve`: web, workers and beat on one machine, supervised, until SIGTERM or Ctrl-C.

SIGHUP renews all processes without a refused connection, if `manage.py check` finds that they would start.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from hlapp import start
from hlapp.supervisor import programs
from hlapp.supervisor.code_check import CodeCheck
from hlapp.supervisor.keeper import CannotStart
from hlapp.supervisor.outputs import JsonLines, PrefixedLines
from hlapp.supervisor.programs import Program
from hlapp.supervisor.supervisor import Supervisor
from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.command_output.printable_command import PrintableCommand

NAMES = ("web", "worker-urgent", "worker", "beat")
_PAUSE = 0.1  # seconds between two looks at the processes


class Command(PrintableCommand):
    """The command `serve`."""

    help = "Run web, workers and beat on this machine: restarts what ends, SIGHUP renews, SIGTERM ends within 25 s."

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._signals: set[int] = set()
        # Our processes write to a pipe, so they get what this terminal wants as variables.
        self._format = "text" if settings.LOGGING["pretty"] else "json"
        self._output = PrefixedLines(sys.stderr) if settings.LOGGING["pretty"] else JsonLines(sys.stderr)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to run, where the web listens, and sizes."""
        parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(NAMES)}")
        parser.add_argument("--all", action="store_true", help="run all four; other machines need no beat then")
        parser.add_argument(
            "--bind", type=_address, default=("127.0.0.1", 8000), metavar="HOST:PORT", help="of the web, 127.0.0.1:8000"
        )
        parser.add_argument("--web-processes", type=_number, default=1, metavar="N", help="with eight threads each; 1")
        parser.add_argument("--threads", type=_number, default=16, metavar="N", help="of the worker; 16")
        parser.add_argument("--urgent-threads", type=_number, default=4, metavar="N", help="of worker-urgent; 4")
        parser.add_argument(
            "--memory-mb", type=int, default=1024, metavar="MB", help="web and beat are renewed above this; 0: no limit"
        )
        parser.add_argument(
            "--directory",
            type=Path,
            default=Path(settings.BASE_DIR) / ".hlapp" / "serve",
            help="where beat keeps when it last started what",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run until a signal. Raises CommandError with one line when a program cannot start."""
        supervisor = Supervisor({**os.environ, "LOG_FORMAT": self._format}, self._output)
        chosen = _chosen(options)
        start.check_vault_keys()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.add(number))
        try:
            for program in chosen:
                supervisor.run(program)
            self._keep(supervisor)
        except CannotStart as error:
            raise CommandError(str(error)) from error
        finally:
            supervisor.stop()

    def _keep(self, supervisor: Supervisor) -> None:
        check: CodeCheck | None = None
        while not self._signals & {signal.SIGTERM, signal.SIGINT}:
            if signal.SIGHUP in self._signals and check is None:
                self._signals.discard(signal.SIGHUP)
                check = CodeCheck(supervisor.env)
            if check is not None and check.is_done:
                self._renew(supervisor, check.fault())
                check = None
            for news in supervisor.look():
                self._say(news)
            clock.sleep(_PAUSE)
        if check is not None:
            check.give_up()
        self._say("stopping")

    def _renew(self, supervisor: Supervisor, fault: str | None) -> None:
        if fault is None:
            self._say("renewing all processes")
            supervisor.renew()
        else:
            self._say(f"not renewed, the processes go on as they are: {fault}")

    def _say(self, text: str) -> None:
        self._output.write("serve", text)


def _chosen(options: dict[str, Any]) -> list[Program]:
    wanted = NAMES if options["all"] else options["programs"]
    if unknown := set(wanted) - set(NAMES):
        raise CommandError(f"{', '.join(sorted(unknown))}: no such program; there are {', '.join(NAMES)}")
    if not wanted:
        raise CommandError(f"say what to run: --all, or some of {', '.join(NAMES)}")
    return [_program(name, options) for name in NAMES if name in wanted]


def _program(name: str, options: dict[str, Any]) -> Program:
    limit = options["memory_mb"] * 2**20
    if name == "web":
        return programs.web(_listen(*options["bind"]), processes=options["web_processes"], memory_limit=limit)
    if name == "beat":
        return programs.beat(_schedule(options["directory"]), memory_limit=limit)
    # Its guard replaces a worker above WORKER_MEMORY_MB; this is for one whose guard does not come to it.
    limit = 2 * settings.WORKER_MEMORY_BYTES
    if name == "worker":
        return programs.worker(name, f"{URGENT},{DEFAULT}", threads=options["threads"], memory_limit=limit)
    return programs.worker(name, URGENT, threads=options["urgent_threads"], memory_limit=limit)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=programs.BACKLOG)
    except OSError as error:
        raise CommandError(f"the web cannot listen on {host}, port {port} ({error.strerror}): choose --bind") from error


def _schedule(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"beat cannot write to {directory} ({error.strerror}): choose --directory") from error
    return directory / "beat-schedule"


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host and port.isdecimal() and 0 < int(port) < 65_536:
        return host.strip("[]"), int(port)
    raise ArgumentTypeError(f"{text} is not HOST:PORT")


def _number(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ArgumentTypeError(f"{text} is not a number above 0")
