"""Settings of gunicorn. A project's `gunicorn.conf.py` imports all of them, and may set others after that."""

from __future__ import annotations

import os

from hlapp.env import Env
from hlapp.observing import log_format
from hlapp.supervisor import readiness

# A thread gets a request only when all of it has arrived, so slow senders hold no thread.
worker_class = "hlapp.buffering_worker.BufferingWorker"
threads = 8
logger_class = "hlapp.observing.gunicorn_log.GunicornLog"
accesslog = "-" if log_format.options(Env(os.environ))["access"] else None
# A proxy on this machine would pass on whatever a client sends under these names: `SCRIPT_NAME: /a` makes the path
# /a/metrics, which the proxy's rules let through, our /metrics.
forwarder_headers = ""
# The socket lies in the home directory, which may be read-only or belong to several instances.
control_socket_disable = True
# After SIGTERM requests have this long to end. Then gunicorn ends their processes, before a container platform would
# (after 30 s).
graceful_timeout = 20


def post_worker_init(_worker: object) -> None:
    """A worker process has loaded the application."""
    readiness.report()
