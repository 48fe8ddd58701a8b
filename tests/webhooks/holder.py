"""A worker that gets stuck: claims a mailbox, writes half of its work, says so, and waits to be killed.

Run as `python -m tests.webhooks.holder <mailbox id> [fenced] [limited]`. `fenced`: it gets stuck after the fence, when
it has locked the mailbox's row. `limited`: its sessions have a worker's time limits, but of one second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import django


def stick() -> None:
    print("holding", flush=True)  # noqa: T201 - the test waits for this line
    time.sleep(120)


def main() -> None:
    django.setup()
    from hlapp import time_limits  # noqa: PLC0415 - models are not loaded before this
    from integrations.core import clock  # noqa: PLC0415
    from integrations.tenants.models import Location  # noqa: PLC0415
    from integrations.webhooks import handlers, mailbox, settle  # noqa: PLC0415
    from integrations.webhooks.models import Event  # noqa: PLC0415

    if "limited" in sys.argv:
        time_limits.limit_sessions(replace(time_limits.WORKER, idle_in_transaction=1))

    def stuck(event: Event) -> None:
        Location.objects.create(id=f"handled-{event.payload['second']}", created_at=clock.now())
        if event.payload["second"] == 2 and "fenced" not in sys.argv:
            stick()

    def stuck_after(lock: Callable[[Any], Any]) -> Callable[[Any], None]:
        def locked(lease: Any) -> None:
            lock(lease)
            stick()

        return locked

    handlers.on("Tested", stuck)
    if "fenced" in sys.argv:
        settle.fence = settle.fence_or_release = stuck_after(settle.fence)  # as while a delivery is being stored
    mailbox.drain(int(sys.argv[1]))


if __name__ == "__main__":
    main()
