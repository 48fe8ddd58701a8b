"""A worker that gets stuck: claims a mailbox, writes half of its work, says so, and waits to be killed.

Run as `python -m tests.webhooks.holder <mailbox id>`.
"""

from __future__ import annotations

import sys
import time

import django


def main() -> None:
    django.setup()
    from integrations.core import clock  # noqa: PLC0415 - models are not loaded before this
    from integrations.tenants.models import Location  # noqa: PLC0415
    from integrations.webhooks import handlers, mailbox  # noqa: PLC0415
    from integrations.webhooks.models import Event  # noqa: PLC0415

    def stuck(event: Event) -> None:
        Location.objects.create(id=f"handled-{event.payload['second']}", created_at=clock.now())
        if event.payload["second"] == 2:
            print("holding", flush=True)  # noqa: T201 - the test waits for this line
            time.sleep(120)

    handlers.on("Tested", stuck)
    mailbox.drain(int(sys.argv[1]))


if __name__ == "__main__":
    main()
