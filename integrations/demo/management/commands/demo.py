"""`manage.py demo`: installs and syncs an agency of the sandbox on one machine, then serves until Ctrl-C."""

from __future__ import annotations

import difflib
import signal
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from rich.console import Console

from hlapp import demos
from hlapp.supervisor.code_check import CodeCheck
from hlapp.supervisor.keeper import CannotStart
from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.demo import deployment, display, scenario
from integrations.demo.deployment import RunningDemo
from integrations.demo.failure import DemoFailed
from integrations.demo.reload import Sources
from integrations.sandbox.oauth.scopes import PUBLISHED
from integrations.sandbox.options import Options

_SYNC_SECONDS = 150.0


class Command(PrintableCommand):
    """`manage.py demo`."""

    help = "Run everything on one machine against the sandbox: install an agency, sync it, and keep serving."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Size and ports of the demo."""
        parser.add_argument("--once", action="store_true", help="stop after the first sync; exit status 0 or 1")
        parser.add_argument("--locations", type=int, default=5)
        parser.add_argument("--contacts", type=int, default=2000, help="for each location")
        parser.add_argument("--port", type=_port, default=8000, help="of the web pages")
        parser.add_argument("--sandbox-port", type=_port, default=9100)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            type=_scope,
            metavar="NAME",
            help="one more scope that the app asks for, such as forms.readonly; may be repeated",
        )
        parser.add_argument(
            "--database", default=deployment.DATABASE, help="deleted and created each time; a second demo needs another"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the demo. Raises CommandError with one line when it cannot continue."""
        console = Console()
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            self._run(console, options)
        except (DemoFailed, CannotStart, IntegrationError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            console.print("stopped")

    def _run(self, console: Console, options: dict[str, Any]) -> None:
        for port in (options["port"], options["sandbox_port"]):
            deployment.refuse_used(port)
        directory = Path(settings.BASE_DIR) / ".hlapp" / options["database"]
        with demos.running(directory):
            console.print("Preparing the database …")
            password = deployment.prepare_database(options["database"])
            console.print("Starting sandbox, web, worker and beat …")
            how = {"directory": directory, "port": options["port"], "scopes": options["scope"]}
            sources = Sources(Path(settings.BASE_DIR))  # before any process reads them: no later change is missed
            running = deployment.start(_vendor(options), password=password, **how)
            try:
                demos.publish(directory, deployment.configuration(running))
                _install_and_sync(console, running)
                if not options["once"]:
                    console.print(display.urls_and_login(running))
                    _serve(console, running, sources)
            finally:
                running.supervisor.stop()


def _install_and_sync(console: Console, running: RunningDemo) -> None:
    console.print("Installing the agency through its pages …")
    began = clock.monotonic()
    scenario.install(running)
    _show_sync(console, running, until=began + _SYNC_SECONDS)
    synced = clock.monotonic() - began
    changes = scenario.change(running)
    now = scenario.look(running)
    console.print(display.locations(now), display.totals(running, now, sync=synced, changes=changes), sep="\n")
    refused = sum(bucket["rejected_429"] for bucket in now.vendor["quota"].values())
    if refused:
        raise DemoFailed(f"the vendor refused {refused} requests with 429")


def _show_sync(console: Console, running: RunningDemo, *, until: float) -> None:
    with display.bars(console) as bars:
        while True:
            now = scenario.look(running)
            bars.show(now)
            for news in running.supervisor.look():
                bars.print_line(news)
            if now.complete:
                return
            if clock.monotonic() > until:
                reasons = scenario.failed_runs() or [f"see the logs in {running.logs}"]
                raise DemoFailed(f"the sync did not finish in {_SYNC_SECONDS:.0f} s: {'; '.join(reasons)}")
            clock.sleep(0.25)


def _serve(console: Console, running: RunningDemo, sources: Sources) -> None:
    """Keep the processes running, and restart them for changed code if that code starts."""
    while True:
        for news in running.supervisor.look():
            console.print(news)
        if sources.have_changed():
            fault = CodeCheck(running.supervisor.env).fault()
            if fault is None:
                running.supervisor.start_again(deployment.OURS)
            what = "runs: web, worker and beat were restarted"
            if fault is not None:
                what = f"does not start, the old code keeps running: {fault}"
            console.print(f"The changed code {what}", markup=False)
        clock.sleep(0.5)


def _vendor(options: dict[str, Any]) -> Options:
    return Options(
        port=options["sandbox_port"],
        locations=options["locations"],
        contacts=options["contacts"],
        seed=options["seed"],
        redirect_uris=(f"http://127.0.0.1:{options['port']}/oauth/callback",),
        webhook_url=f"http://127.0.0.1:{options['port']}/webhooks/",
    )


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    raise ArgumentTypeError(f"{text} is not the number of a port")


def _scope(text: str) -> str:
    if text in PUBLISHED:
        return text
    near = difflib.get_close_matches(text, PUBLISHED, n=3)
    raise ArgumentTypeError(f"{text} is no scope of HighLevel{': ' if near else ''}{', '.join(near)}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
