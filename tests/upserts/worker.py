"""A worker of its own process, for a test that kills it: it says "answered" after the vendor's answer to a write, and
waits for a line before it stores what became of the row.
"""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from integrations.upserts import runs  # noqa: E402 - models need Django first
from integrations.upserts.row_queryset import UpsertRowQuerySet  # noqa: E402

done = UpsertRowQuerySet.done


def asked(rows: Any, *arguments: Any, **fields: Any) -> int:
    """Ask before the row is settled."""
    print(f"answered {rows.get().number}", flush=True)  # noqa: T201
    sys.stdin.readline()
    return done(rows, *arguments, **fields)


if __name__ == "__main__":
    UpsertRowQuerySet.done = asked
    runs.advance(int(sys.argv[1]))
    print("done", flush=True)  # noqa: T201
