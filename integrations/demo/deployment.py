"""Set-up of the demo: an empty migrated database, an operator account, and the four processes.

Each demo creates its database `hlapp_demo` again, on the server of DATABASE_URL, and uses no other database there.
Its keys in Redis start with the database's name, so they are separate too.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from hlapp.settings import env
from hlapp.supervisor import programs
from hlapp.supervisor.outputs import LogFiles
from hlapp.supervisor.programs import Program
from hlapp.supervisor.supervisor import Supervisor
from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.demo.browser import Browser
from integrations.demo.failure import DemoFailed
from integrations.operators.rights import rights_seal
from integrations.quota.permits import scripts as quota_store
from integrations.sandbox.controls.environment import variables
from integrations.sandbox.oauth.marketplace import listed
from integrations.sandbox.options import Options

DATABASE = "hlapp_demo"
OPERATOR = "operator"
OURS = ("web", "worker", "beat")  # the processes that run the project's code
SCOPES = {
    "oauth.readonly",
    "oauth.write",
    "companies.readonly",
    "locations.readonly",
    "contacts.readonly",
    "contacts.write",
    "opportunities.readonly",
    "opportunities.write",
    "users.readonly",
    "calendars.readonly",
    "calendars/events.readonly",
    "conversations.readonly",
    "conversations.write",
    "conversations/message.readonly",
    "conversations/message.write",
}
_START_SECONDS = 60.0


@dataclass(frozen=True)
class RunningDemo:
    """URLs and processes of a running demo. `password` is the operator's; it is new and shown on the terminal."""

    web: str
    vendor: str
    password: str
    supervisor: Supervisor
    logs: Path


def prepare_database(name: str) -> str:
    """A new, migrated database and its operator. Returns the operator's password."""
    use_database(name)
    call_command("migrate", verbosity=0, interactive=False)
    password = secrets.token_urlsafe(12)
    rights_seal.seal(User.objects.create_superuser(OPERATOR, password=password))
    return password


def use_database(name: str) -> None:
    """Create database `name` again on the configured server; this process then uses it and its keys in Redis."""
    _recreate(settings.DATABASES["default"], name)
    connections.close_all()
    connections["default"].settings_dict["NAME"] = name
    settings.NAMESPACE = name
    quota_store.clear()


def _recreate(server: dict[str, object], name: str) -> None:
    login = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    known = {key: str(server[setting]) for key, setting in login.items() if server.get(setting)}
    try:
        with psycopg.connect(**known, autocommit=True, connect_timeout=5) as connection:  # type: ignore[arg-type]
            identifier = sql.Identifier(name)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    except psycopg.Error as error:
        raise DemoFailed(f"the database {name} cannot be created: {' '.join(str(error).split())}") from error


def start(options: Options, *, directory: Path, port: int, password: str, scopes: Iterable[str] = ()) -> RunningDemo:
    """Start sandbox, web, worker and beat, and wait until web is ready. `scopes`: more than the demo's own."""
    web, vendor = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{options.port}"
    environment = _environment(options, {*SCOPES, *scopes}, web=web, vendor=vendor)
    running = RunningDemo(web, vendor, password, Supervisor(environment, LogFiles(directory)), directory)
    try:
        _start_all(running, options, port)
        _wait_for(running, f"{vendor}/sandbox/state", "sandbox")
        _wait_for(running, f"{web}/readyz", "web")
    except BaseException:
        running.supervisor.stop()
        raise
    return running


def _start_all(demo: RunningDemo, options: Options, port: int) -> None:
    sandbox = ["--port", options.port, "--companies", options.companies, "--locations", options.locations]
    sandbox += ["--contacts", options.contacts, "--seed", options.seed, "--webhook-url", options.webhook_url]
    sandbox += ["--redirect-uri", *options.redirect_uris]
    demo.supervisor.run(Program("sandbox", ("-m", "integrations.sandbox", *map(str, sandbox))))
    demo.supervisor.run(programs.web(f"127.0.0.1:{port}"))
    demo.supervisor.run(programs.worker("worker", f"{URGENT},{DEFAULT}", threads=16))
    demo.supervisor.run(programs.beat(demo.logs / "beat-schedule"))


def _environment(options: Options, scopes: set[str], *, web: str, vendor: str) -> dict[str, str]:
    """The environment of the processes, as in a deployment. DEBUG is off, because the demo runs as production does."""
    ours = {
        **variables(listed(options, scopes), options.seed, vendor),
        "DEBUG": "false",
        "DATABASE_URL": urlunsplit(urlsplit(env.text("DATABASE_URL"))._replace(path=f"/{settings.NAMESPACE}")),
        "PUBLIC_URL": web,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LOG_LEVEL": "INFO",
    }
    # The caller may set the same name as NAME_FILE; `hlapp.env` rejects both at once.
    theirs = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}
    return {**theirs, **ours}


def configuration(running: RunningDemo) -> dict[str, str]:
    """The variables of the processes' environment that settings read: a command needs these to join the demo."""
    return {key: value for key, value in running.supervisor.env.items() if key.removesuffix("_FILE") in env.names}


def refuse_used(port: int) -> None:
    """Raises DemoFailed when something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoFailed(
                f"port {port} is in use: stop what runs there, or choose others: "
                "make demo ARGS='--port 8010 --sandbox-port 9110'"
            ) from None


def _wait_for(demo: RunningDemo, url: str, name: str) -> None:
    browser, until = Browser(), clock.monotonic() + _START_SECONDS
    while not browser.answers(url):
        demo.supervisor.look()
        if clock.monotonic() > until:
            raise DemoFailed(f"{name} did not come up in {_START_SECONDS:.0f} s: see {demo.logs}/{name}.log")
        clock.sleep(0.2)
