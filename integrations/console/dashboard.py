"""The operator's dashboard: what needs attention, what is installed, how far syncs are, and how much quota is used.

unfold calls `context` for the admin index. Every figure links to its list. When the quota store cannot be reached the
rest of the page is still shown, because an operator needs the dashboard most during an outage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from integrations.console import dashboard_findings, permissions, queries
from integrations.core import clock, masking
from integrations.core.ages import relative
from integrations.core.errors import StoreUnavailable
from integrations.core.pages import live, tenant_links
from integrations.core.runs import run_progress
from integrations.core.tenant import UserType
from integrations.jobs import queries as jobs
from integrations.quota.permits import queries as quota
from integrations.sync.models import Run
from integrations.tenants import names, versions
from integrations.tenants.models import Installation
from integrations.tenants.version_admin import countdown
from integrations.tokens.models import Credential
from integrations.webhooks import queries as webhooks

RUNS, RESOURCES, FAILURES, TRACKED = 10, 8, 8, 60


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the dashboard. `tone` is good, warn or bad; `note` adds detail below the figure."""

    title: str
    value: str
    note: str
    link: str
    icon: str
    tone: str = "good"


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar: `value` of `most`; `most` is None while the total is unknown."""

    title: str
    subtitle: SafeString | str
    value: int
    most: int | None
    note: str
    tone: str = ""

    @property
    def percent(self) -> int | None:
        """`value` as a percentage of `most`, at most 100."""
        return min(100, round(100 * self.value / self.most)) if self.most else None


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK. `quotas` is None when the quota store cannot be reached.

    `may` names the parts that the operator may see; a part that is not in it is not shown.
    """
    now, may = clock.now(), request.user.has_perm
    shown = {name: read(now) for name, permission, read in _PANELS if may(permission)}
    allowed = list(shown)
    if masked := masking.applies(request):
        shown["tracker"] = [
            {**square, "tooltip": masking.text(square["tooltip"])} for square in shown.get("tracker", ())
        ]
    failures = [kind for kind, permission in queries.FAILURES.items() if may(permission)]
    context |= shown | {
        "cards": [card for permission, read in _CARDS if may(permission) for card in read(now)],
        "may": [*allowed, *(["failures"] if failures else [])],
        "failures": _failures(now, failures, masked=masked),
        "findings": dashboard_findings.read(may, masking.text if masked else str, is_update=live.is_update(request)),
        "checked_at": now,
    }
    return context


def _location_cards(now: datetime) -> list[Figure]:
    locations, companies = queries.installed(UserType.LOCATION), queries.installed(UserType.COMPANY)
    unclaimed, braked, pending = queries.unclaimed(), queries.braked(), queries.pending()
    return [
        Figure(
            "Locations installed",
            f"{locations:,}",
            f"and {companies:,} compan{'y' if companies == 1 else 'ies'}"
            + (f", {unclaimed:,} unclaimed" if unclaimed else "")
            + (f", {pending:,} being connected" if pending else "")
            + (f", {braked:,} with missing locations" if braked else ""),
            _list("tenants_installation", "status__exact=installed"),
            "download_done",
        )
    ]


def _credential_cards(now: datetime) -> list[Figure]:
    in_need = queries.credentials_in_need(now).count()
    return [
        Figure(
            "Credential problems",
            f"{in_need:,}",
            "suspended, expired or to be reconnected" if in_need else "all tokens are fresh",
            _list("tokens_credential", "need=yes" if in_need else ""),
            "key",
            "bad" if in_need else "good",
        )
    ]


def _event_cards(now: datetime) -> list[Figure]:
    unsettled = webhooks.unsettled()
    pending, poisoned = unsettled["pending"], unsettled["poisoned"].number
    waiting = f"oldest received {relative(pending.oldest, now)}" if pending.oldest else "no event waits"
    return [
        Figure(
            "Events pending",
            f"{pending.number:,}",
            f"{poisoned:,} poisoned" if poisoned else waiting,
            _list("webhooks_event", "status__exact=poisoned" if poisoned else "status__exact=pending"),
            "inbox",
            "warn" if poisoned else "good",
        )
    ]


def _sync_cards() -> list[Figure]:
    running, (records, exact) = queries.running_count(), queries.records()
    return [
        Figure(
            "Syncs under way",
            f"{running:,}",
            f"{'' if exact else 'about '}{records:,} records kept",
            _list("sync_run", "status__exact=running"),
            "sync",
        )
    ]


def _job_card(now: datetime) -> Figure:
    """The worst there is to say of background jobs: one that hangs, a pause, events set aside, or the longest wait."""
    hung, paused, aside = jobs.hung_now(now), jobs.paused(), jobs.set_aside_counts()
    unknown = sum(count for _, count in jobs.unknown_counts())
    if hung:
        note, link, tone = f"hangs: {hung[0]['work']}", _list("jobs_run", "status__exact=running"), "bad"
    elif paused:
        note, link, tone = f"paused: {', '.join(state.job for state in paused)}", _list("jobs_jobstate"), "bad"
    elif unknown:
        note, link, tone = f"{unknown:,} writes: did they happen?", _list("jobs_write", "state__exact=unknown"), "bad"
    elif aside:
        note, link, tone = f"{sum(count for _, count in aside):,} events set aside", _list("jobs_trigger"), "warn"
    else:
        longest = next(iter(jobs.delays(now, 1)), None)
        note = f"longest wait {longest.seconds:.0f} s, {longest.job}" if longest else "no run waits for a worker"
        link, tone = _list("jobs_run", "status__exact=running"), "good"
    return Figure("Job runs under way", f"{jobs.running_count():,}", note, link, "play_circle", tone)


def _scope_cards() -> list[Figure]:
    """What does not work although all is installed."""
    if not (lacking := sum(count for _, count in permissions.gaps())):
        return []
    note = "syncs and jobs that need them are disabled there"
    link = _list("tenants_installation", "scopes=missing")
    return [Figure("Missing scopes", f"{lacking:,}", note, link, "lock", "warn")]


def _version_cards(now: datetime) -> list[Figure]:
    """What will stop."""
    if not (ending := versions.ending(now)):
        return []
    version, _ = ending[0]
    note = f"on {version} of {version.app}, uninstalled {countdown(version)}"
    link = _list("tenants_appversion", "deprecated_at__isempty=0")
    return [Figure("On deprecated versions", f"{sum(n for _, n in ending):,}", note, link, "event_busy", "bad")]


_CARDS: tuple[tuple[str, Callable[[datetime], list[Figure]]], ...] = (
    ("tenants.view_installation", _location_cards),
    ("tokens.view_credential", _credential_cards),
    ("webhooks.view_event", _event_cards),
    ("sync.view_run", lambda now: _sync_cards()),
    ("jobs.view_run", lambda now: [_job_card(now)]),
    ("tenants.view_installation", lambda now: _scope_cards()),
    ("tenants.view_appversion", _version_cards),
)


def _runs(now: datetime) -> list[Bar]:
    runs = queries.running(RUNS)
    known = names.by_id([run.plan.location_id for run in runs])
    return [_run(run, known.get(run.plan.location_id, run.plan.location_id), now) for run in runs]


def _run(run: Run, location: str, now: datetime) -> Bar:
    progress = f"{run.seen:,} of {run.total:,}" if run.total else f"{run.seen:,} so far"
    trouble = run.error_code.replace("_", " ")
    return Bar(
        title=run.plan.resource.replace("_", " "),
        subtitle=location,
        value=run.seen,
        most=run.total,
        note=", ".join(filter(None, (progress, trouble, run_progress.words(run, run.seen, run.total, now)))),
        tone="warn" if run.error_code else "",
    )


def _failures(now: datetime, kinds: Collection[str], *, masked: bool) -> list[dict[str, Any]]:
    """Recent failures of these kinds, each with its tenant's name and a link to its own page."""
    found = queries.failures(FAILURES, now, kinds)
    known = tenant_links.known(failure.tenant_id for failure in found)
    return [
        {
            "row": failure,
            "why": masking.text(failure.why) if masked else failure.why,
            "tenant": tenant_links.link_by_id(failure.tenant_id, known),
            "link": _page(failure.row),
        }
        for failure in found
    ]


def _failed_calls(now: datetime) -> dict[str, str]:
    """Shown below the failures, not among them: a failed call may have succeeded when it was repeated."""
    count = queries.failed_calls(now)
    more = " or more" if count == queries.MOST_CALLS else ""
    text = f"{count:,}{more} API call{'' if count == 1 else 's'}" if count else ""
    return {"text": text, "link": _list("gateway_call", "since=week")}


def _quotas() -> list[tuple[Bar, Bar]] | None:
    """How much of its burst window and of its day budget each of the busiest resources has used."""
    try:
        busiest = queries.busiest(RESOURCES)
        known = names.by_id([row.resource_id for row in busiest])
        return [_quota(row, known.get(row.resource_id)) for row in busiest]
    except StoreUnavailable:
        return None


def _quota(row: Installation, name: str | None) -> tuple[Bar, Bar]:
    now, label = quota.snapshot(row.quota_app, row.resource_id), UserType(row.user_type).label
    used = max(0, now.limit - now.free)
    seconds = now.interval_ms / 1000
    subtitle = f"{label} {row.resource_id}" if name else label
    burst = Bar(name or row.resource_id, subtitle, used, now.limit, f"{used} of {now.limit} in {seconds:g} s")
    if now.day_limit is None or now.day_remaining is None:
        return burst, Bar("day", "", now.day_used, None, f"{now.day_used:,} sent today, limit not known yet")
    spent = now.day_limit - now.day_remaining
    tone = "bad" if now.day_remaining < now.day_limit * 0.1 else ""
    return burst, Bar("day", "", spent, now.day_limit, f"{spent:,} of {now.day_limit:,} today", tone)


def _tracker(now: datetime) -> list[dict[str, str]]:
    """One square per credential, those in need first: green, amber or red, with the reason as tooltip."""
    in_need = list(queries.credentials_in_need(now)[:TRACKED])
    others = Credential.objects.filter(state=Credential.State.ACTIVE).exclude(pk__in=[row.pk for row in in_need])
    rows = [*in_need, *others.order_by("-refreshed_at")[: TRACKED - len(in_need)]]
    return [
        {
            "tone": _tone(row, in_need),
            "tooltip": f"{row.tenant}: {row.reason or row.last_error_code or row.state}",
            "href": reverse("admin:tokens_credential_change", args=[row.pk]),
        }
        for row in rows
    ]


def _tone(row: Credential, in_need: list[Credential]) -> str:
    if row not in in_need:
        return "good"
    return "warn" if row.state == Credential.State.SUSPENDED else "bad"


# The parts of the page, each with the permission that it needs. What an operator may not see is not read.
_PANELS: tuple[tuple[str, str, Callable[[datetime], Any]], ...] = (
    ("runs", "sync.view_run", _runs),
    ("quotas", "quota.view_usage", lambda now: _quotas()),
    ("tracker", "tokens.view_credential", _tracker),
    ("failed_calls", "gateway.view_call", _failed_calls),
)


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])  # noqa: SLF001


def _list(name: str, query: str = "") -> str:
    """The URL of a list page; empty when no such page is registered."""
    try:
        return reverse(f"admin:{name}_changelist") + (f"?{query}" if query else "")
    except NoReverseMatch:
        return ""
