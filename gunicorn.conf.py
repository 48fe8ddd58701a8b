"""Settings of gunicorn, which reads this file in the directory that it is started in; its command line precedes."""

from __future__ import annotations

from hlapp.web_server import *  # noqa: F403
