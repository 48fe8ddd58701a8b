"""Django's `migrate`, which waits for locks in a way that stops no other session.

A statement that waits for a table's lock makes everybody wait who comes after it. So it gives up after some seconds:
the migration is rolled back and tried again a little later. An index that is built concurrently has no such limit,
because it waits without keeping anybody out; what an interrupted build left behind is removed before the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from hlapp import time_limits
from hlapp.upgrade import migrated_release
from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand

TRIES = 20
PAUSE = 5.0  # seconds
_CONCURRENTLY = re.compile(r"\bINDEX CONCURRENTLY (?:IF (?:NOT )?EXISTS )?\"?(\w+)", re.IGNORECASE)
_INVALID = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(quote_ident(%s)) AND NOT indisvalid)"


class Command(PrintableCommand, DjangoCommand):
    """The command `migrate`."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate. Raises CommandError when a lock could not be had again and again."""
        by_hand = bool(getattr(self, "_called_from_command_line", False))
        if by_hand:
            time_limits.limit_sessions(time_limits.MIGRATION)
        with connection.execute_wrapper(_build_concurrently):
            self._try(*args, **options)
        if by_hand and not (options["plan"] or options["check_unapplied"] or options["app_label"]):
            migrated_release.record()

    def _try(self, *args: Any, **options: Any) -> None:
        for _ in range(TRIES):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                self.stderr.write(f"a table is locked, so this migration is tried again in {PAUSE:.0f} s: {error}")
                clock.sleep(PAUSE)
            else:
                return
        raise CommandError("a table stayed locked: look for a long transaction in pg_stat_activity, then migrate again")


def _build_concurrently(execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: Any) -> Any:
    """Django's hook around each statement."""
    found = _CONCURRENTLY.search(statement) if isinstance(statement, str) else None
    if found is None:
        return execute(statement, params, many, context)
    below = connection.connection
    [is_left_over] = below.execute(_INVALID, [found[1]]).fetchone()
    if is_left_over:
        below.execute(f'DROP INDEX CONCURRENTLY "{found[1]}"')
    [limit] = below.execute("SHOW lock_timeout").fetchone()
    below.execute("SET lock_timeout = 0")
    try:
        return execute(statement, params, many, context)
    finally:
        below.execute(f"SET lock_timeout = '{limit}'")
