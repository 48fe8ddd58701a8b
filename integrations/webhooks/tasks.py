"""Celery tasks of the inbox. The dispatcher sends `webhooks.drain` for mailboxes that are due."""

from __future__ import annotations

from functools import partial
from typing import Any

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import URGENT, task
from integrations.webhooks import lease, mailbox, retention
from integrations.webhooks.models import Mailbox

SOURCE = dispatch.DueSource(
    name="mailboxes",
    task="webhooks.drain",
    argument="mailbox_id",
    take=mailbox.take_due,
    find_unstarted=mailbox.find_unstarted,
    make_due_again=partial(dispatch.make_due_again, Mailbox, "due_at"),
    due_rows=lambda now: [mailbox.due_rows(now)],
    end_leases=lease.end_of,
    resend=lease.resend,
    lost_after=lease.LOST_AFTER,
    queue=URGENT,
)


@task("webhooks.drain")
def drain(mailbox_id: int, **_: Any) -> None:
    """Handle what is due in one mailbox, and then in others that wait."""
    mailbox.drain(mailbox_id)
    mailbox.drain_others(mailbox.GO_ON_SECONDS)


@task("webhooks.tidy")
def tidy(**_: Any) -> None:
    """Delete settled events that are older than the retention time, and repair. Beat sends this task."""
    mailbox.make_forgotten_due(clock.now())
    retention.tidy(clock.now())
