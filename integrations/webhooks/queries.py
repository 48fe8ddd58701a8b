"""Queries of the webhook inbox for pages, commands and metrics. Each uses an index: fast with millions of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Sum

from integrations.webhooks.answers import TAKEN, Outcome
from integrations.webhooks.models import Answers, Event, Mailbox

RECENT = timedelta(hours=24)
JUDGED_DAYS, PAUSED_BELOW = 3, 0.9  # how the vendor judges a URL: its last days, and the least share of 2xx (FACTS 3.2)
GOOD = 0.98  # below this an operator should look, well before the vendor pauses the URL

_SUMS = {outcome.value: Sum(outcome.value) for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Pending or poisoned events: their number. `oldest`: when the first one was received."""

    number: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Inbox:
    """Counts of the inbox. `recent`: events received in the last 24 hours by status; all others are of all time."""

    recent: dict[str, int]
    pending: int
    oldest_pending: datetime | None
    poisoned: int
    behind: int


def inbox(now: datetime) -> Inbox:
    """Counts for the `status` command.

    `recent` reads every event of a day, so pages that reload often use `unsettled` alone.
    """
    left = unsettled()
    return Inbox(
        recent=counts(since=now - RECENT),
        pending=left["pending"].number,
        oldest_pending=left["pending"].oldest,
        poisoned=left["poisoned"].number,
        behind=behind(now),
    )


def unsettled() -> dict[str, Unsettled]:
    """The pending and the poisoned events by status; both keys are always present."""
    statuses = (Event.Status.PENDING, Event.Status.POISONED)
    rows = Event.objects.filter(status__in=statuses).values_list("status").order_by()
    found = {
        status: Unsettled(number, oldest) for status, number, oldest in rows.annotate(Count("id"), Min("received_at"))
    }
    return {status.value: found.get(status.value, Unsettled(0, None)) for status in statuses}


def behind(now: datetime) -> int:
    """How many mailboxes have due events."""
    return Mailbox.objects.filter(due_at__lte=now).count()


def counts(since: datetime) -> dict[str, int]:
    """How many events were received since then, by status; every status is present."""
    found = Event.objects.filter(received_at__gte=since).values_list("status").annotate(Count("id"))
    return dict.fromkeys(Event.Status.values, 0) | dict(found.order_by())


@dataclass(frozen=True, slots=True)
class Standing:
    """An app's responses of the last three days, as the vendor would judge them."""

    app: str
    answered: int
    refused: dict[str, int]

    @property
    def share_refused(self) -> float:
        """The share of responses other than 2xx, 0..1; 0 when no webhook came."""
        return sum(self.refused.values()) / self.answered if self.answered else 0.0


def answered() -> list[dict[str, Any]]:
    """For the metrics: per app (client id; empty for none of ours) the count of every outcome, of all time."""
    rows = Answers.objects.values(app_name=F("app__client_id")).annotate(**_SUMS).order_by("app_name")
    return [{**row, "app_name": row["app_name"] or ""} for row in rows]


def standings(now: datetime) -> list[Standing]:
    """Each app's responses of today and the two days before, without apps that received no webhook."""
    since = now.date() - timedelta(days=JUDGED_DAYS - 1)
    found = Answers.objects.filter(day__gte=since).values(name=F("app__name")).annotate(**_SUMS).order_by("name")
    rows: list[dict[str, Any]] = [dict(row) for row in found]
    return [
        Standing(
            app=row["name"] or "",
            answered=sum(row[outcome] for outcome in Outcome),
            refused={outcome.value: row[outcome] for outcome in Outcome if outcome not in TAKEN and row[outcome]},
        )
        for row in rows
    ]
