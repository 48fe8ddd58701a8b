"""The command line: Django's, with the development profile in front of it. `manage.py`, `hlapp` and `python -m hlapp`.

With DEBUG=true, and for the commands that are development tools themselves, unset variables are filled, and
PostgreSQL and Valkey are started or joined (`hlapp.development`). With nothing set at all, a command works with the
demo that is running here (`hlapp.demos`), and one that needs no server works as it is. An anticipated failure is one
line.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management import execute_from_command_line
from django.db import connections
from django.db.utils import OperationalError, ProgrammingError
from psycopg_pool import PoolTimeout

from hlapp import database_settings, demos, development, project
from hlapp.embedded import EmbeddedError
from hlapp.env import ConfigurationError, Env
from hlapp.scaffold import additions, new_project
from integrations.core.process import core_dumps

# `makemigrations` is not among them: it compares with the migrations that the database has seen.
SERVERLESS = frozenset(
    {
        "",
        "help",
        "version",
        "sandbox",
        "catalogue",
        "reference",
        "new",
        "startapp",
        "startproject",
        "collectstatic",
        "check",
    }
)
_HELP = frozenset({"-h", "--help"})
_UNDEFINED = frozenset({"42P01", "42703"})  # PostgreSQL's undefined_table and undefined_column
INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell reports SIGINT and SIGPIPE


def main(argv: list[str]) -> int | str:
    """Run a command. Returns the exit status, or the one line of an anticipated failure."""
    project.prepare()
    # The pool logs every attempt; the command reports the failure once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    command = next((word for word in argv[1:] if not word.startswith("-")), "")
    core_dumps.forbid()
    database_settings.use_direct(command, os.environ)
    try:
        if line := development.refusal(command, os.environ):
            return line
        with _profile(command, needs_servers=command not in SERVERLESS and not _HELP & set(argv)):
            execute_from_command_line(argv)
            sys.stdout.flush()
    except ConfigurationError as error:
        hint = "" if os.environ.get("DEBUG") else " (DEBUG=true gives a development run what it needs, or run the demo)"
        return f"{error}{hint}"
    except EmbeddedError as error:
        return str(error)
    except (OperationalError, ProgrammingError) as error:
        words = _database_error(error)
        if words is None or "--traceback" in argv:
            raise
        return words
    except BrokenPipeError:
        # `… | head` has closed the pipe. Without this the flush at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


@contextmanager
def _profile(command: str, *, needs_servers: bool) -> Iterator[None]:
    is_tool = command in development.DEVELOPMENT_COMMANDS or not (needs_servers or demos.is_configured(os.environ))
    if not is_tool and (demo := demos.join(development.DIRECTORY, os.environ)):
        sys.stderr.write(f"with the demo that is running here ({demo})\n")
    if not is_tool and not _debug():
        yield
        return
    services = development.prepare(services=needs_servers)
    if services is None:
        yield
        return
    # Unwind on SIGTERM as on Ctrl-C, so that the servers are stopped and not only cut off.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        services.stop()


def _database_error(error: OperationalError | ProgrammingError) -> str | None:
    """One line for a failure that the operator can fix; None for a mistake in a query."""
    if isinstance(error, OperationalError):
        return "database unreachable or failing: " + " ".join(_reason(error).split())
    if getattr(error.__cause__, "sqlstate", None) in _UNDEFINED:
        return "the database is empty or older than the code: run manage.py migrate"
    return None


def _reason(error: OperationalError) -> str:
    """The server's own reason. The pool only reports how long it waited, so connect once directly."""
    if isinstance(error.__cause__, PoolTimeout):
        try:
            psycopg.connect(**connections["default"].get_connection_params()).close()
        except psycopg.Error as direct:
            return str(direct)
    return str(error)


def _debug() -> bool:
    env = Env(os.environ)
    debug = env.flag("DEBUG", default=False)
    env.check()
    return debug


def console() -> None:
    """The console script `hlapp`: `manage.py`, and `new NAME`, which makes a project and needs none."""
    if sys.argv[1:2] == ["new"] and not {*sys.argv[2:3]} & {*additions.KINDS}:
        sys.exit(new_project.main(sys.argv[2:]))
    sys.exit(main(sys.argv))
