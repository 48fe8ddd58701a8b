"""Start-up checks of web, worker and beat: the key ring must open what is stored, and events must exist.

Otherwise the process ends.

gunicorn does not restart a worker that ends with status 3. With another status it would restart it for ever.
"""

from __future__ import annotations

import os
import sys

from celery import current_app
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from hlapp import time_limits
from hlapp.observing import error_reports, tracing, uncaught
from hlapp.upgrade import release_notes
from integrations.core.errors import SealBroken
from integrations.core.process import core_dumps

REFUSED = 3


def prepare_web() -> None:
    """Limit what a request waits for, then check the keys. `hlapp.wsgi` and `hlapp.asgi` call it once."""
    observe("web")
    core_dumps.forbid()
    time_limits.limit_sessions(time_limits.WEB)
    time_limits.limit_broker_waits(current_app.conf.broker_transport_options)
    check_event_names()
    check_vault_keys()


def observe(process: str) -> None:
    """Log what nothing catches, and send traces and error reports if the environment says where. `process`: web, …"""
    uncaught.log_uncaught()
    tracing.start(process, os.environ)
    error_reports.start(settings.SENTRY_DSN, process, release_notes.version())


def check_event_names() -> None:
    """End the process when a job or a hook waits for an event that does not exist (checks with the tag `events`)."""
    errors = [found for found in run_checks(tags=["events"]) if found.level >= ERROR and not found.is_silenced()]
    if errors:
        sys.stderr.write("".join(f"not started: {found.msg} {found.hint or ''} ({found.id})\n" for found in errors))
        sys.stderr.flush()
        raise SystemExit(REFUSED)


def check_vault_keys() -> None:
    """End the process with one line that names the key when VAULT_KEYS cannot open what is stored."""
    from integrations.vault import key_checks  # noqa: PLC0415 - models are not loaded before this

    try:
        key_checks.at_start()
    except SealBroken as error:
        sys.stderr.write(f"not started: {error}\n")
        sys.stderr.flush()
        raise SystemExit(REFUSED) from None
    finally:
        # Children are forked from here (gunicorn --preload): neither socket nor pool may be shared.
        connection = connections["default"]
        connection.close()
        if isinstance(connection, DatabaseWrapper):
            connection.close_pool()
