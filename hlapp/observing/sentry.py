"""Errors for Sentry: the one module that imports its SDK. Started when SENTRY_DSN is set (`error_reports`).

Each log line of the level ERROR becomes an event, with its traceback and the ids of its work as tags. Nothing else is
sent: no integrations, no local variables, no requests, no sessions, no traces. Every text goes through the redaction.
"""

from __future__ import annotations

import logging
import sys

import sentry_sdk
from sentry_sdk.transport import Transport
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from integrations.core.observing import log_scope
from integrations.core.redaction import redact_log_value, without_row_values

_PLAIN = str | int | float | bool


class SentryHandler(logging.Handler):
    """Handler of log records that sends errors to Sentry, in the SDK's own thread."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record. A failure of it ends here."""
        try:
            sentry_sdk.capture_event(_event(record))
        except Exception:
            self.handleError(record)


def start(dsn: str, process: str, release: str, transport: type[Transport] | None = None) -> None:
    """Send the errors of this process from now on."""
    sentry_sdk.init(
        dsn,
        release=release,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        max_breadcrumbs=0,
        before_send=redacted,
        transport=transport,
    )
    sentry_sdk.get_global_scope().set_tag("process", process)
    logging.getLogger().addHandler(SentryHandler(logging.ERROR))


def redacted(event: Event, _hint: Hint) -> Event:
    """The SDK's hook before an event leaves: blanks what must not be sent."""
    cleaned: Event = redact_log_value(dict(event))
    return cleaned


def _event(record: logging.LogRecord) -> Event:
    # A line of structlog is a dictionary until it is formatted.
    said = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
    found = said.get("exc_info") or record.exc_info
    if found is True:
        found = sys.exc_info()
    elif isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    event: Event = {"level": "error"}
    if isinstance(found, tuple) and found[1] is not None:
        event, _ = event_from_exception(found, client_options=sentry_sdk.get_client().options)
        for one in event.get("exception", {}).get("values", []):
            one["value"] = without_row_values(one.get("value") or "", found[1])
    extra = {name: value for name, value in said.items() if name not in ("exc_info", "event", "_record", "_logger")}
    event["message"] = str(said.get("event", ""))
    event["logger"] = record.name
    event["fingerprint"] = [record.name, event["message"], "{{ default }}"]
    event["tags"] = {name: str(value) for name, value in log_scope.current().items()}
    event["extra"] = {name: value if isinstance(value, _PLAIN) else repr(value) for name, value in extra.items()}
    return event
