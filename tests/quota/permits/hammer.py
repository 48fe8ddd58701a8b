"""A worker process that calls as often as the governor lets it, to be killed.

`python -m tests.quota.permits.hammer '{…}'` is how a test starts it. It believes in windows of a second from
the start, and loses the headers of every fifth answer. With `jumps`, no two looks at its wall clock agree by less than
hours.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import django

THREADS = 4


def hammer(arguments: dict[str, Any]) -> None:
    from integrations.core.errors import QuotaExhausted, StoreUnavailable, Unreachable  # noqa: PLC0415
    from integrations.core.secret import Secret  # noqa: PLC0415
    from integrations.highlevel.http import transport  # noqa: PLC0415
    from integrations.quota.permits import governor  # noqa: PLC0415
    from integrations.quota.permits.lanes import Lane  # noqa: PLC0415

    governor.START_WINDOW = 1.0
    request = transport.Request("GET", arguments["path"], version="2021-07-28", token=Secret(arguments["token"]))
    while True:
        try:
            permit = governor.acquire(
                arguments["app"], arguments["resource"], lane=Lane.BULK, timeout=1.0, max_wait=1.0
            )
        except (QuotaExhausted, StoreUnavailable) as error:
            time.sleep(min(error.retry_after or 0.1, 0.5))
            continue
        try:
            answer = transport.shared(arguments["url"]).send(request)
        except Unreachable:
            governor.settle(permit, received_at=None, rate=None)
            continue
        rate = None if random.random() < 0.2 else answer.rate
        governor.settle(permit, received_at=answer.received_at, rate=rate, refused=answer.status == 429)


def jumping() -> None:
    """Break every way in which Python code asks what time it is; the monotonic clock is not one."""
    from integrations.core import clock  # noqa: PLC0415

    true = time.time

    def wrong() -> float:
        return true() + random.uniform(-86_400.0, 86_400.0)

    for module, name, answer in (
        (time, "time", wrong),
        (time, "time_ns", lambda: int(wrong() * 1e9)),
        (clock, "now", lambda: datetime.fromtimestamp(wrong(), UTC)),
    ):
        setattr(module, name, answer)


def main() -> None:
    django.setup()
    arguments = json.loads(sys.argv[1])
    if arguments.get("jumps"):
        jumping()
    for _ in range(THREADS):
        threading.Thread(target=hammer, args=(arguments,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
