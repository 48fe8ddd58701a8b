"""What pages show of the inbox. Every read here goes by an index and stays fast with millions of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Sum

from integrations.webhooks.answers import TAKEN, Outcome
from integrations.webhooks.models import Answers, Event, Mailbox

RECENT = timedelta(hours=24)
JUDGED_DAYS, PAUSED_BELOW = 3, 0.9  # how the vendor judges a URL: its last days, and the least share of 2xx (FACTS 3.2)
GOOD = 0.98  # below this somebody should look, well before the vendor does

_SUMS = {outcome.value: Sum(outcome.value) for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Events of one status that nothing will become of by itself, or not yet. `oldest`: when the first one came."""

    number: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The inbox at a glance. `recent` counts what was received in the last 24 hours by status; the rest is all time."""

    recent: dict[str, int]
    pending: int
    oldest_pending: datetime | None
    poisoned: int
    behind: int


def inbox(now: datetime) -> Inbox:
    """Counts for the `status` command. `recent` reads every event of a day, so pages that are asked for again and again
    take `unsettled` alone."""
    left = unsettled()
    return Inbox(
        recent=counts(since=now - RECENT),
        pending=left["pending"].number,
        oldest_pending=left["pending"].oldest,
        poisoned=left["poisoned"].number,
        behind=behind(now),
    )


def unsettled() -> dict[str, Unsettled]:
    """The pending and the poisoned events; both are always there."""
    statuses = (Event.Status.PENDING, Event.Status.POISONED)
    rows = Event.objects.filter(status__in=statuses).values_list("status").order_by()
    found = {
        status: Unsettled(number, oldest) for status, number, oldest in rows.annotate(Count("id"), Min("received_at"))
    }
    return {status.value: found.get(status.value, Unsettled(0, None)) for status in statuses}


def behind(now: datetime) -> int:
    """Mailboxes with events that are due."""
    return Mailbox.objects.filter(due_at__lte=now).count()


def counts(since: datetime) -> dict[str, int]:
    """Events received since then, by status; every status is there."""
    found = Event.objects.filter(received_at__gte=since).values_list("status").annotate(Count("id"))
    return dict.fromkeys(Event.Status.values, 0) | dict(found.order_by())


@dataclass(frozen=True, slots=True)
class Standing:
    """An app's answers of the last three days, as the vendor would judge them."""

    app: str
    answered: int
    refused: dict[str, int]

    @property
    def share_refused(self) -> float:
        """0..1; 0 when nothing came."""
        return sum(self.refused.values()) / self.answered if self.answered else 0.0


def answered() -> list[dict[str, Any]]:
    """Rows of app (client id, empty: none of ours) and every outcome's count since ever; for the metrics."""
    rows = Answers.objects.values(app_name=F("app__client_id")).annotate(**_SUMS).order_by("app_name")
    return [{**row, "app_name": row["app_name"] or ""} for row in rows]


def standings(now: datetime) -> list[Standing]:
    """Each app's answers of today and the two days before; apps nobody posted to are left out."""
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
