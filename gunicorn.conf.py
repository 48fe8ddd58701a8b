"""Settings of gunicorn, which reads this file in the directory that it is started in; its command line precedes.

After SIGTERM requests have this long to end. Then gunicorn ends their processes, before a container platform would
(after 30 s).
"""

from __future__ import annotations

graceful_timeout = 20
