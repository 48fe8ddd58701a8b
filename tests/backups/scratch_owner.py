"""A process with a scratch database, for a test that kills it: it says the database's name and waits."""

from __future__ import annotations

import sys

import django

django.setup()

from integrations.backups.scratch_database import scratch_database  # noqa: E402 - settings need Django first

with scratch_database() as name:
    print(name, flush=True)  # noqa: T201
    sys.stdin.readline()
