"""Queries of the webhook inbox for pages, commands and metrics. Each uses an index: fast with millions of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from statistics import median
from typing import Any

from django.db.models import Count, Exists, F, Func, Min, OuterRef, QuerySet, Subquery, Sum, TextField, Value
from django.db.models.functions import Lower, StrIndex, Substr

from integrations.core.filters import distinct_values
from integrations.core.pages import tenant_links
from integrations.gateway.support.refused_call import RefusedCall, of_row
from integrations.tenants.models import Installation
from integrations.webhooks import handlers
from integrations.webhooks.models import Answers, Event, FailedAttempt, Mailbox
from integrations.webhooks.module_deliveries import TYPES, kind_of
from integrations.webhooks.response_counts import REFUSED, UNVERIFIED, ResponseOutcome

RECENT = timedelta(hours=24)
JUDGED_DAYS, PAUSED_BELOW = 3, 0.9  # how the vendor judges a URL: its last days, and the least share of 2xx (FACTS 3.2)
MOST_COUNTED = 1_000  # of what has no handler
GOOD = 0.98  # below this an operator should look, well before the vendor pauses the URL

_DAYS_BEFORE, _EXPECTED = 7, 20  # an app that had as many verified webhooks as this by now, and has none, is noticed

_VERIFIED = [outcome for outcome in ResponseOutcome if outcome not in UNVERIFIED]
_SUMS = {outcome.value: Sum(outcome.value) for outcome in ResponseOutcome}


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Pending or poisoned events: their number. `oldest`: when the first one was received."""

    number: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Inbox:
    """Counts of the inbox. `recent`: events received in the last 24 hours by status; `unknown`: those of them whose
    type neither the catalogue nor a handler knows, by type. All others are of all time.
    """

    recent: dict[str, int]
    pending: int
    oldest_pending: datetime | None
    poisoned: int
    behind: int
    unknown: dict[str, int] = field(default_factory=dict)


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
        unknown=unknown_types(since=now - RECENT),
    )


def unsettled() -> dict[str, Unsettled]:
    """The pending and the poisoned events by status; both keys are always present."""
    statuses = (Event.Status.PENDING, Event.Status.POISONED)
    rows = Event.objects.filter(status__in=statuses).values_list("status").order_by()
    found = {
        status: Unsettled(number, oldest) for status, number, oldest in rows.annotate(Count("id"), Min("received_at"))
    }
    return {status.value: found.get(status.value, Unsettled(0, None)) for status in statuses}


@dataclass(frozen=True, slots=True)
class TenantDelay:
    """How long the oldest pending event of a tenant has waited since it was received, in seconds."""

    app: str
    tenant: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays of the tenants with pending events: the median and the longest in seconds, and the longest by tenant."""

    tenants: int = 0
    median: float = 0.0
    longest: float = 0.0
    slowest: tuple[TenantDelay, ...] = ()


def delays(now: datetime, *, shown: int = 5) -> Delays:
    """How long events wait now, by tenant. Reads the pending events, through their index."""
    busy = Mailbox.objects.filter(due_at__isnull=False).annotate(since=waiting_since()).filter(since__isnull=False)
    rows = list(busy.order_by("since").values_list("app__name", "tenant", "since"))
    found = [TenantDelay(app, tenant, max(0.0, (now - since).total_seconds())) for app, tenant, since in rows]
    if not found:
        return Delays()
    middle = median(delay.seconds for delay in found)
    return Delays(len(found), middle, found[0].seconds, tuple(found[:shown]))


def waiting_since() -> Subquery:
    """Annotation of mailboxes: when their oldest pending event was received. None without one.

    It is not always the next one: the vendor's order is not that of arrival.
    """
    pending = Event.objects.filter(mailbox=OuterRef("pk"), status=Event.Status.PENDING)
    return Subquery(pending.order_by().values("mailbox").annotate(since=Min("received_at")).values("since"))


def not_installed(now: datetime) -> int:
    """How many tenants received events in the last 24 hours without being installed here.

    Their events change no data. Many mean that installations were lost, or that uninstalled ones still send.
    """
    recent = Event.objects.filter(mailbox=OuterRef("pk"), received_at__gte=now - RECENT)
    boxes = Mailbox.objects.exclude(tenant="app").filter(~installed_here(), Exists(recent))
    return boxes.count()


def installed_here() -> Exists:
    """Condition on mailboxes: their app is installed on their tenant, or about to be."""
    colon = StrIndex(OuterRef("tenant"), Value(":"))  # the key is `kind:id` (`core.tenant.Tenant.mailbox_key`)
    mine = Installation.objects.not_uninstalled().annotate(level=Lower("user_type"))
    return Exists(
        mine.filter(
            app=OuterRef("app"),
            resource_id=Substr(OuterRef("tenant"), colon + 1),
            level=Func(OuterRef("tenant"), Value(":"), Value(1), function="split_part", output_field=TextField()),
        )
    )


def behind(now: datetime) -> int:
    """How many mailboxes have due events."""
    return Mailbox.objects.filter(due_at__lte=now).count()


def refusals() -> QuerySet[FailedAttempt]:
    """Attempts that failed because HighLevel refused a handler's call, or failed over it."""
    return FailedAttempt.objects.filter(vendor_answer__isnull=False).select_related("event__app", "event__mailbox")


def last_refusal(event: Event) -> FailedAttempt | None:
    """The latest attempt of an event in trouble, if HighLevel's answer made it fail."""
    last = event.failed_attempts.order_by("-pk").first() if event.error_code else None
    return refusals().filter(pk=last.pk).first() if last is not None else None


def refused_call(attempt: FailedAttempt) -> RefusedCall:
    """The call of a handler behind an attempt of `refusals`."""
    event = attempt.event
    tenant = tenant_links.named(event.mailbox.tenant) or event.mailbox.tenant
    return of_row(attempt, app=event.app, tenant=tenant, at=attempt.at, source=f"a handler of the webhook {event.type}")


def counts(since: datetime) -> dict[str, int]:
    """How many events were received since then, by status; every status is present."""
    found = Event.objects.filter(received_at__gte=since).values_list("status").annotate(Count("id"))
    return dict.fromkeys(Event.Status.values, 0) | dict(found.order_by())


def unknown_types(since: datetime) -> dict[str, int]:
    """How many events of each type came since then that neither the catalogue nor a handler knows, most first."""
    found = Event.objects.filter(received_at__gte=since).exclude(type__in=[*handlers.KNOWN_TYPES, *handlers.HANDLERS])
    counted = found.values_list("type").annotate(number=Count("id")).order_by("-number", "type")
    return {name: number for name, number in counted if not handlers.is_known(name)}


def unhandled_deliveries(since: datetime) -> dict[str, int]:
    """How many deliveries of each module came since then, while nothing here handles that type (`module_deliveries`).

    Pages ask often, so at most `MOST_COUNTED` rows are read, by the index of types.
    """
    deliveries = (name for name in distinct_values(Event, "type") if kind_of(name) in TYPES)
    unhandled = [name for name in deliveries if not handlers.registered(name)]
    found = Event.objects.filter(received_at__gte=since, type__in=unhandled).values_list("type", flat=True)
    return dict(Counter(found[:MOST_COUNTED]).most_common())


@dataclass(frozen=True, slots=True)
class AppResponses:
    """An app's responses of the last three days to verified webhooks, as the vendor would judge them.

    `refused` and `unverified` are counts by outcome. Strangers send unverified posts too, so these are not judged. When
    `rejects_all` is true, such posts came today and no verified one, where by the days before many should have come, as
    after a change of the vendor's signing key.
    """

    app: str
    answered: int
    refused: dict[str, int]
    unverified: dict[str, int]
    rejects_all: bool

    @property
    def share_refused(self) -> float:
        """The share of responses other than 2xx, 0..1; 0 when no webhook came."""
        return sum(self.refused.values()) / self.answered if self.answered else 0.0


def answered() -> list[dict[str, Any]]:
    """For the metrics: per app (client id; empty for none of ours) the count of every outcome, of all time."""
    rows = Answers.objects.values(app_name=F("app__client_id")).annotate(**_SUMS).order_by("app_name")
    return [{**row, "app_name": row["app_name"] or ""} for row in rows]


def responses_by_app(now: datetime) -> list[AppResponses]:
    """Each app's responses of today and the two days before, without apps that received no webhook."""
    since = now.date() - timedelta(days=JUDGED_DAYS - 1)
    found = Answers.objects.filter(day__gte=since).values(name=F("app__name")).annotate(**_SUMS).order_by("name")
    today: list[dict[str, Any]] = [dict(row) for row in found.filter(day=now.date())]
    unheard = {row["name"] for row in today if not any(row[outcome] for outcome in _VERIFIED)} & _usual(now)
    rows: list[dict[str, Any]] = [dict(row) for row in found]
    return [
        AppResponses(
            app=row["name"] or "",
            answered=sum(row[outcome] for outcome in _VERIFIED),
            refused={outcome.value: row[outcome] for outcome in REFUSED if outcome in _VERIFIED and row[outcome]},
            unverified={outcome.value: row[outcome] for outcome in REFUSED if outcome in UNVERIFIED and row[outcome]},
            rejects_all=row["name"] in unheard,
        )
        for row in rows
    ]


def _usual(now: datetime) -> set[str]:
    """The apps that by this time of the day usually have `_EXPECTED` verified webhooks, by the week before."""
    of_day = (now - datetime.combine(now, time.min, now.tzinfo)) / timedelta(days=1)
    before = Answers.objects.filter(day__lt=now.date(), day__gte=now.date() - timedelta(days=_DAYS_BEFORE))
    found = before.exclude(app=None).values(name=F("app__name")).annotate(**_SUMS).order_by("name")
    rows: list[dict[str, Any]] = [dict(row) for row in found]
    verified = {row["name"]: sum(row[outcome] for outcome in _VERIFIED) for row in rows}
    return {name for name, number in verified.items() if of_day * number / _DAYS_BEFORE >= _EXPECTED}
