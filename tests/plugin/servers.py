"""PostgreSQL and Valkey for one test run: those of the test kit."""

from __future__ import annotations

from hlapp.testing.throwaway_servers import Servers, empty, take_own_redis_database

__all__ = ["Servers", "empty", "take_own_redis_database"]
