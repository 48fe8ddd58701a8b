"""Work that waits too long: events in mailboxes, tasks parked for a permit, and rows that should be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.core.ages import relative, span
from integrations.core.models import LeaderLease
from integrations.privacy import retention_sweep
from integrations.quota.pages import spending
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from integrations.webhooks import queries as webhooks

SLOW, STUCK = timedelta(minutes=1), timedelta(minutes=5)  # an event is handled within seconds
PARKED_LONG = timedelta(hours=6)  # a task of bulk work may wait for the next day's calls

DELETED_LATE = timedelta(days=1)  # beat starts the deletions every ten minutes and every hour


def waiting_events() -> Iterator[Finding]:
    """The oldest pending event, and the poisoned ones."""
    name, now, left = "events", clock.now(), webhooks.unsettled()
    pending, poisoned = left["pending"], left["poisoned"].number
    address = reverse("admin:webhooks_event_changelist")
    waits = now - pending.oldest if pending.oldest else timedelta()
    found = f"{pending.number:,} pending, the oldest has waited {span(round(waits.total_seconds()))}"
    if waits > SLOW:
        level = Level.FAILED if waits > STUCK else Level.WARNING
        fix = "see that workers run and read the queue urgent; if they do, add workers"
        yield Finding(name, level, found, fix, f"{address}?status__exact=pending")
    if poisoned:
        found_poisoned = f"{poisoned:,} could not be processed"
        fix = "see their errors, correct the handler, then process them again"
        yield Finding(name, Level.WARNING, found_poisoned, fix, f"{address}?status__exact=poisoned")
    if waits <= SLOW:
        yield Finding(name, Level.OK, found if pending.number else "none waits")


def parked_work() -> Iterator[Finding]:
    """How long the first parked task has waited, and whether a worker hands parked tasks out."""
    name, now = "parked tasks", clock.now()
    count, oldest = spending.waiting()
    link = reverse("admin:quota_parked_changelist")
    if not count or oldest is None:
        yield Finding(name, Level.OK, "none waits for a permit")
        return
    lease = LeaderLease.objects.filter(name=LEASE_NAME).first()
    found = f"{count:,} wait for a permit, the first was parked {relative(oldest, now)}"
    if lease is None or lease.until < now or lease.trouble:
        why = lease.trouble if lease and lease.trouble else "no worker hands them out"
        yield Finding(name, Level.FAILED, f"{found}: {why}", "start a worker; if one runs, see its log", link)
    elif oldest < now - PARKED_LONG:
        yield Finding(name, Level.WARNING, found, "see which resource is short, and start the urgent ones next", link)
    else:
        yield Finding(name, Level.OK, found)


def expired_rows() -> Iterator[Finding]:
    """Rows that should have been deleted over a day ago: the table grows, and people's data stays too long."""
    name = "retention"
    late = {kind: by for kind, by in retention_sweep.overdue(clock.now()).items() if by > DELETED_LATE}
    for kind, by in late.items():
        fix = "see that beat and a worker run; after a shorter time was set, wait: each run deletes for half a minute"
        found = f"{kind} should have been deleted {span(round(by.total_seconds()))} ago"
        yield Finding(name, Level.WARNING, found, fix)
    if not late:
        yield Finding(name, Level.OK, "what has expired is deleted")
