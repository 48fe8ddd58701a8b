"""A worker of its own process, for a test that kills it: it says "batch" before each deletion and waits for a line."""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from integrations.privacy import purge_run, purge_stages  # noqa: E402 - models need Django first

purge_stages.BATCH = 10
delete = purge_stages._delete_ids


def asked(model: Any, ids: list[Any]) -> None:
    """Delete inside the transaction, then ask before it is committed."""
    delete(model, ids)
    print(f"batch {model._meta.label}", flush=True)  # noqa: T201
    sys.stdin.readline()


if __name__ == "__main__":
    purge_stages._delete_ids = asked
    purge_run.turn(int(sys.argv[1]))
    print("done", flush=True)  # noqa: T201
