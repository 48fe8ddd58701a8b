"""gunicorn's error and access log in the format of all other logs.

gunicorn makes its logger before it loads the app, so the configuration comes from the environment here. Where the lines
go is still gunicorn's to say (`--error-logfile`, `--access-logfile`), but that `-` is standard error for both.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Any

import structlog
from gunicorn.glogging import Logger

from hlapp.env import Env
from hlapp.observing import log_format
from integrations.core import client_address

_LONGEST_AGENT = 200  # characters
_PROBES = ("/healthz", "/readyz", "/metrics")  # asked every few seconds, so only their failures are worth a line
access_log = structlog.get_logger("gunicorn.access")


class GunicornLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """`logger_class` of gunicorn."""

    def setup(self, cfg: Any) -> None:
        """Set up the handlers that `cfg` asks for, with our formatter. Raises ConfigurationError."""
        env = Env(os.environ)
        options = log_format.options(env)
        env.check()
        log_format.configure(options)
        super().setup(cfg)
        for handler in self.access_log.handlers:
            if getattr(handler, "stream", None) is sys.stdout:
                handler.setStream(sys.stderr)
        ours = log_format.formatter(pretty=options["pretty"])
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(ours)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """A line for a request that was answered. Without its query, which may hold a code or a state."""
        path, status = environ.get("PATH_INFO", ""), str(resp.status).partition(" ")[0]
        if not self.access_log_enabled or (path.startswith(_PROBES) and status.startswith("2")):
            return
        access_log.info(
            "web.request",
            method=environ.get("REQUEST_METHOD"),
            path=path,
            status=int(status) if status.isdecimal() else status,
            bytes=getattr(resp, "sent", None),
            seconds=round(request_time.total_seconds(), 4),
            client=client_address.of(environ.get("HTTP_X_FORWARDED_FOR", ""), environ.get("REMOTE_ADDR", "")),
            agent=environ.get("HTTP_USER_AGENT", "")[:_LONGEST_AGENT],
        )
