"""Settings of gunicorn, which reads this file in the directory that it is started in; its command line precedes."""

from __future__ import annotations

# A thread gets a request only when all of it has arrived, so slow senders hold no thread.
worker_class = "hlapp.buffering_worker.BufferingWorker"
threads = 8
# The socket lies in the home directory, which may be read-only or belong to several instances.
control_socket_disable = True
# After SIGTERM requests have this long to end. Then gunicorn ends their processes, before a container platform would
# (after 30 s).
graceful_timeout = 20
