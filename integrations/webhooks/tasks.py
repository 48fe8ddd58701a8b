"""The worker's door to the inbox. Messages are hints; what is due stands in the mailboxes' rows."""

from __future__ import annotations

from typing import Any

from integrations.core import clock
from integrations.core.jobs import enqueue, job
from integrations.webhooks import mailbox, retention


@job("webhooks.drain")
def drain(mailbox_id: int, **_: Any) -> None:
    mailbox.drain(mailbox_id)


@job("webhooks.sweep")
def sweep(**_: Any) -> None:
    """Beat calls this: mailboxes whose message was lost, whose wait is over, or whose worker was killed."""
    for mailbox_id in mailbox.take_due(clock.now()):
        enqueue("webhooks.drain", mailbox_id=mailbox_id)


@job("webhooks.tidy")
def tidy(**_: Any) -> None:
    """Beat calls this: settled events that have been kept long enough go."""
    retention.tidy(clock.now())
