"""Real PostgreSQL and Valkey on loopback, for a machine that has neither: development, demo and tests.

Decision: the servers come as wheels from the package index, and the launcher is our own, because the wheels'
own launchers change permissions outside the project, leave servers behind, and know no passwords. Production
sets DATABASE_URL and REDIS_URL and never gets here.
"""

from __future__ import annotations

from hlapp.embedded.errors import EmbeddedError, unusable
from hlapp.embedded.services import Services, start

__all__ = ["EmbeddedError", "Services", "start", "unusable"]
