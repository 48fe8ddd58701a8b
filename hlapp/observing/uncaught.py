"""Logs what nothing caught: the end of a thread or of the process, redacted as every line is.

Python would write both to standard error as they are.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType

import structlog

log = structlog.get_logger(__name__)


def log_uncaught() -> None:
    """From now on, in this process."""
    sys.excepthook = _of_process
    threading.excepthook = _of_thread


def _of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("process.crashed", exc_info=(kind, error, trace))


def _of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread else ""
        log.critical("thread.crashed", thread=name, exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))
