"""Environment variables with which the soak tells its own app where to write and when to crash."""

from __future__ import annotations

WRITES_IN = "SOAK_JOB_WRITES_IN"  # the location in which the job writes; the outbox writes in the others
CRASHES_WHILE = "SOAK_JOB_CRASHES_WHILE"  # a file: the job crashes while it exists
