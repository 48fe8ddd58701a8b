"""Decides whether errors of this process are sent to Sentry, and loads what does. Its SDK is imported only then."""

from __future__ import annotations

import sys
from importlib import import_module


def start(dsn: str, process: str, release: str) -> None:
    """Send errors, if there is a DSN. Without the package a line says what to install."""
    if not dsn:
        return
    try:
        sentry = import_module("hlapp.observing.sentry")
    except ImportError as error:
        sys.stderr.write(f"no error reports, because {error.name} is missing: pip install 'hlapp[observability]'\n")
        return
    sentry.start(dsn, process, release)
