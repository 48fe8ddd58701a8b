"""Structured logs on standard error, JSON in production, with secrets redacted.

The code passes secrets as `Secret`, which prints as an ellipsis. This filter is the second guard: it redacts values
under secret-sounding names and anything that looks like a token, in the log lines of every library too.
"""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_TELLING = re.compile(r"token|secret|password|authorization|cookie|api_?key|credential|^code$|^state$|signature", re.I)
_HARMLESS = frozenset({"status_code", "error_code", "grant_type", "code"})
_TOKEN_SHAPES = re.compile(
    r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"  # JSON web tokens
    r"|(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|(?i:access_token|refresh_token|client_secret|accessToken|refreshToken|clientSecret|code|state)"
    r"(?:(?:=|%3D)[\"']?|[\"']?\s*:\s*[\"'])[^\s&\"',}]+"
    r"|pit-[0-9a-f-]{16,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
BLANK = "[redacted]"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blanks what must not be written."""
    for key, value in event.items():
        event[key] = BLANK if _is_telling(key, value) else scrub(value)
    return event


def scrub(value: Any) -> Any:
    """`value` with everything that looks like a token blanked, inside lists and dictionaries too."""
    if isinstance(value, str):
        return _TOKEN_SHAPES.sub(BLANK, value)
    if isinstance(value, dict):
        return {key: BLANK if _is_telling(str(key), item) else scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def _is_telling(key: str, value: Any) -> bool:
    """Error codes are short words of ours and stay; an OAuth `code` never reaches a log by that name."""
    return key not in _HARMLESS and isinstance(value, str) and bool(_TELLING.search(key))


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
                "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            },
        }
    )
