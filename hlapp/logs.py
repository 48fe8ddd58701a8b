"""Structured logs on standard error, JSON in production, with secrets redacted.

The code passes secrets as `Secret`, which prints as an ellipsis. This filter is the second guard: it redacts what
`core.redaction` finds by name or by shape, in the log lines of every library too.
"""

from __future__ import annotations

import logging
import logging.config
from collections.abc import MutableMapping
from typing import Any

import structlog

from integrations.core.redaction import redact_log_value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blanks what must not be written."""
    for key, value in event.items():
        event[key] = redact_log_value(value, key)
    return event


class OneLine(logging.Filter):
    """Makes a warning without a traceback of each record: any stranger causes these, as often as they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and keep it."""
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG. `options`: level, and pretty for a person's terminal."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks are text before they are redacted, and without the locals that a prettier one would print.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer = plain if options["pretty"] else structlog.processors.JSONRenderer()
    final: list[Any] = [structlog.processors.format_exc_info, redact, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(options["level"])),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "ours": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
                    "foreign_pre_chain": [*shared, structlog.stdlib.PositionalArgumentsFormatter()],
                }
            },
            "filters": {"one_line": {"()": OneLine}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours"}},
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
                "django.security.DisallowedHost": {"filters": ["one_line"]},
                "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            },
        }
    )
