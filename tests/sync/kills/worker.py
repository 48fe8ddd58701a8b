"""A worker of its own process, for tests that kill it: `python -m tests.sync.kills.worker RUN_ID COUNT`.

It asks before each page ("page 1" on standard output, then a line from standard input) and says "done" at the end, so
that the test knows to the step where it is.
"""

from __future__ import annotations

import sys

import django

django.setup()

from integrations.sync import runs  # noqa: E402 - models need Django first
from tests.sync.listing import of  # noqa: E402


def main(run_id: int, count: int) -> None:
    listing = of(count)

    def ask(number: int) -> None:
        print(f"page {number}", flush=True)  # noqa: T201
        sys.stdin.readline()

    listing.before = ask
    runs.advance(run_id, page=listing.page)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
