"""One format for the log lines of the app, gunicorn and Celery: JSON in production, readable in a terminal.

Every line has the ids of the work that it belongs to (`core.observing.log_scope`). The code passes secrets as `Secret`,
which prints as an ellipsis. The redaction here is the second guard: it blanks what `core.redaction` finds by name or by
shape, in the log lines of every library too.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from hlapp.env import Env
from integrations.core.observing import log_scope
from integrations.core.redaction import redact_log_value, without_row_values
from integrations.core.texts import printable

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def options(env: Env) -> dict[str, Any]:
    """The argument of `configure`, from the environment: level, pretty (for a person), access (a line per request).

    Unless LOG_FORMAT says it, lines are JSON but in a terminal and with DEBUG.
    """
    wanted = env.choice("LOG_FORMAT", ("json", "text"), default="")
    is_watched = env.flag("DEBUG", default=False) or sys.stderr.isatty()
    return {
        "level": env.choice("LOG_LEVEL", _LEVELS, default="INFO"),
        "pretty": wanted == "text" or (not wanted and is_watched),
        "access": env.flag("ACCESS_LOG", default=True),
    }


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blanks what must not be written."""
    for key, value in event.items():
        event[key] = redact_log_value(value, key)
    return event


def without_rows(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: writes the traceback as text, without locals and without what a database error quotes."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else sys.exc_info()[1] if found is True else found
    if not isinstance(error, BaseException):
        return event
    event["exception"] = "".join(traceback.format_exception(error)).rstrip("\n")
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = without_row_values(value, error)
    return event


def for_a_terminal(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: no text rewrites the screen, and what looks like a line of its own is indented."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value).replace("\n", "\n    ")
    return event


class OneLine(logging.Filter):
    """Makes a warning without a traceback of each refusal by Django: anybody causes these, as often as they like.

    Django logs a refused request (SuspiciousOperation) to `django.security` and the name of its exception.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record if it is of such a logger, and keep it."""
        if record.name.startswith("django.security."):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def formatter(*, pretty: bool) -> logging.Formatter:
    """What writes a record of any logger as one line, or for a person, a traceback on lines of its own."""
    # Tracebacks are text before they are redacted, and without the locals that a prettier one would print.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            without_rows,
            redact,
            *([for_a_terminal, plain] if pretty else [structlog.processors.JSONRenderer()]),
        ],
        foreign_pre_chain=[*_shared(), structlog.stdlib.PositionalArgumentsFormatter()],
    )


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG, with what `options` returns. gunicorn's processes call it before Django does."""
    logging.captureWarnings(not options["pretty"])
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(options["level"])),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"ours": {"()": formatter, "pretty": options["pretty"]}},
            "filters": {"one_line": {"()": OneLine}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours", "filters": ["one_line"]}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {
                "httpx2": {"level": "WARNING"},
                "httpcore2": {"level": "WARNING"},
                "authlib": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},  # a line for every sweep, every two seconds
                "celery.beat": {"level": "WARNING"},
                # Django has put handlers of its own on these two before it calls us.
                "django": {"level": options["level"], "handlers": [], "propagate": True},
                # At DEBUG these write template contexts, and statements with their parameters.
                "django.template": {"level": "INFO"},
                "django.db.backends": {"level": "INFO"},
                "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            },
        }
    )


def _shared() -> list[Any]:
    return [
        log_scope.add,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
