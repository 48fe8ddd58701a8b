"""Real PostgreSQL and Valkey on loopback, for a machine that has neither: development, demo and tests.

README.md in this folder describes the parts. Production sets DATABASE_URL and REDIS_URL and does not use them.
"""

from __future__ import annotations

from hlapp.embedded.errors import EmbeddedError, unusable
from hlapp.embedded.services import Services, start

__all__ = ["EmbeddedError", "Services", "start", "unusable"]
