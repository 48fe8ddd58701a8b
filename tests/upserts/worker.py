"""A worker of its own process, for a test that kills it: it says "answered" after the vendor's answer to a write, and
waits for a line before it stores what became of the row.
"""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from integrations.upserts import row_states, runs  # noqa: E402 - models need Django first

done = row_states.done


def asked(row: Any, *arguments: Any, **fields: Any) -> None:
    """Ask before the row is settled."""
    print(f"answered {row.number}", flush=True)  # noqa: T201
    sys.stdin.readline()
    done(row, *arguments, **fields)


if __name__ == "__main__":
    row_states.done = asked
    runs.advance(int(sys.argv[1]))
    print("done", flush=True)  # noqa: T201
