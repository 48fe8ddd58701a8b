"""The operator's first page: what runs, what needs somebody, how far syncs are, and how much quota is left.

unfold calls `context` for the admin index. Every figure is a link to the list behind it. When the quota store is away
the rest of the page still comes, because then the operator needs it most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from integrations.console import queries
from integrations.core import clock
from integrations.core.ages import relative
from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import queries as quota
from integrations.sync.models import Run
from integrations.tenants import names
from integrations.tenants.models import UserType
from integrations.tokens.models import Credential
from integrations.webhooks import queries as webhooks

RUNS, RESOURCES, FAILURES, TRACKED = 10, 8, 8, 60


@dataclass(frozen=True, slots=True)
class Card:
    """One figure. `tone` is good, warn or bad; `note` says what the figure does not."""

    title: str
    value: str
    note: str
    link: str
    icon: str
    tone: str = "good"


@dataclass(frozen=True, slots=True)
class Bar:
    """Something under way or used up: `value` of `most`, or of an unknown whole when `most` is None."""

    title: str
    subtitle: str
    value: int
    most: int | None
    note: str
    tone: str = ""

    @property
    def percent(self) -> int | None:
        return min(100, round(100 * self.value / self.most)) if self.most else None


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK. `quotas` is None when their store is away."""
    now = clock.now()
    context |= {
        "cards": [*_tenant_cards(now), *_work_cards(now)],
        "runs": _runs(),
        "quotas": _quotas(),
        "tracker": _tracker(now),
        "failures": _failures(now),
        "failed_calls": _failed_calls(now),
        "checked_at": now,
    }
    return context


def _tenant_cards(now: datetime) -> list[Card]:
    locations, companies = queries.installed(UserType.LOCATION), queries.installed(UserType.COMPANY)
    unclaimed, ailing = queries.unclaimed(), queries.credentials_in_need(now).count()
    return [
        Card(
            "Locations installed",
            f"{locations:,}",
            f"and {companies:,} compan{'y' if companies == 1 else 'ies'}"
            + (f", {unclaimed:,} unclaimed" if unclaimed else ""),
            _list("tenants_installation", "status__exact=installed"),
            "download_done",
        ),
        Card(
            "Credentials in need",
            f"{ailing:,}",
            "suspended, expired or to be reconnected" if ailing else "all tokens are fresh",
            _list("tokens_credential", "need=yes" if ailing else ""),
            "key",
            "bad" if ailing else "good",
        ),
    ]


def _work_cards(now: datetime) -> list[Card]:
    left = webhooks.unsettled()
    pending, poisoned = left["pending"], left["poisoned"].number
    running, (records, exact) = queries.running_count(), queries.records()
    waiting = f"oldest came {relative(pending.oldest, now)}" if pending.oldest else "nothing waits"
    return [
        Card(
            "Events pending",
            f"{pending.number:,}",
            f"{poisoned:,} stepped aside" if poisoned else waiting,
            _list("webhooks_event", "status__exact=poisoned" if poisoned else "status__exact=pending"),
            "inbox",
            "warn" if poisoned else "good",
        ),
        Card(
            "Syncs under way",
            f"{running:,}",
            f"{'' if exact else 'about '}{records:,} records kept",
            _list("sync_run", "status__exact=running"),
            "sync",
        ),
    ]


def _runs() -> list[Bar]:
    runs = queries.running(RUNS)
    known = names.told([run.plan.location_id for run in runs])
    return [_run(run, known.get(run.plan.location_id, run.plan.location_id)) for run in runs]


def _run(run: Run, place: str) -> Bar:
    whole = f"{run.seen:,} of {run.total:,}" if run.total else f"{run.seen:,} so far"
    return Bar(
        title=run.plan.resource.replace("_", " "),
        subtitle=place,
        value=run.seen,
        most=run.total,
        note=f"{whole}, {run.error_code.replace('_', ' ')}" if run.error_code else whole,
        tone="warn" if run.error_code else "",
    )


def _failures(now: datetime) -> list[dict[str, Any]]:
    """Each with the name of whose it is, and a link to its own page."""
    found = queries.failures(FAILURES, now)
    known = names.told([failure.place for failure in found])
    return [
        {"it": failure, "place": known.get(failure.place, failure.place), "link": _page(failure.row)}
        for failure in found
    ]


def _failed_calls(now: datetime) -> dict[str, str]:
    """Told beside the failures and not among them: a call that was made again may have failed nothing."""
    count = queries.failed_calls(now)
    more = " or more" if count == queries.MOST_CALLS else ""
    words = f"{count:,}{more} API call{'' if count == 1 else 's'}" if count else ""
    return {"words": words, "link": _list("gateway_call", "since=week")}


def _quotas() -> list[tuple[Bar, Bar]] | None:
    """Burst window and day of each of the busiest resources, as used parts."""
    try:
        places = queries.busiest(RESOURCES)
        known = names.told([resource_id for _, _, resource_id in places])
        return [_quota(app.client_id, resource_id, kind, known.get(resource_id)) for app, kind, resource_id in places]
    except StoreUnavailable:
        return None


def _quota(client_id: str, resource_id: str, kind: UserType, name: str | None) -> tuple[Bar, Bar]:
    now = quota.snapshot(client_id, resource_id)
    used = max(0, now.limit - now.free)
    seconds = now.interval_ms / 1000
    known = f"{kind.label} {resource_id}" if name else kind.label
    burst = Bar(name or resource_id, known, used, now.limit, f"{used} of {now.limit} in {seconds:g} s")
    if now.day_limit is None or now.day_remaining is None:
        return burst, Bar("day", "", now.day_used, None, f"{now.day_used:,} sent today, limit not told yet")
    spent = now.day_limit - now.day_remaining
    tone = "bad" if now.day_remaining < now.day_limit * 0.1 else ""
    return burst, Bar("day", "", spent, now.day_limit, f"{spent:,} of {now.day_limit:,} today", tone)


def _tracker(now: datetime) -> list[dict[str, str]]:
    """One square per credential, those in need first: green, amber or red, with its reason on hover."""
    ailing = list(queries.credentials_in_need(now)[:TRACKED])
    others = Credential.objects.filter(state=Credential.State.ACTIVE).exclude(pk__in=[row.pk for row in ailing])
    rows = [*ailing, *others.order_by("-refreshed_at")[: TRACKED - len(ailing)]]
    return [
        {
            "tone": _tone(row, ailing),
            "tooltip": f"{row.user_type} {row.resource_id}: {row.reason or row.last_error_code or row.state}",
            "href": reverse("admin:tokens_credential_change", args=[row.pk]),
        }
        for row in rows
    ]


def _tone(row: Credential, ailing: list[Credential]) -> str:
    if row not in ailing:
        return "good"
    return "warn" if row.state == Credential.State.SUSPENDED else "bad"


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])  # noqa: SLF001


def _list(name: str, query: str = "") -> str:
    """A list page's address, or none while its room has no page."""
    try:
        return reverse(f"admin:{name}_changelist") + (f"?{query}" if query else "")
    except NoReverseMatch:
        return ""
