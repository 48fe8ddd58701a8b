"""A rotation in a process of its own, for tests that kill it: `python -m tests.vault.rotator BATCH`.

It asks before each batch ("batch 1" on standard output, then a line from standard input) and says "done" at the end.
"""

from __future__ import annotations

import sys

import django

django.setup()

from integrations.vault import rotation  # noqa: E402 - models need Django first


def main(batch: int) -> None:
    asked = 0

    def ask() -> bool:
        nonlocal asked
        asked += 1
        print(f"batch {asked}", flush=True)  # noqa: T201
        sys.stdin.readline()
        return False

    rotation.run(actor="test", watcher=rotation.Watcher(stop=ask), batch=batch)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
