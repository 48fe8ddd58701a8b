"""The health of a tenant: what is wrong, why, and what to do next. The first line answers "how is this customer?".

Each rule reads one block of the facts. A block that could not be read, or that the operator may not see, proves
nothing: then the page says what is not known and does not call the tenant healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from django.urls import reverse

from integrations.console.tenant_page.tenant_facts import Counted, Installed, TenantFacts
from integrations.core.ages import relative
from integrations.core.tenant import UserType
from integrations.outbox.queries import TO_DECIDE
from integrations.sync.queries import Progress
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential

WAITS_LONG = timedelta(minutes=5)  # for an event, whose handlers take seconds
DAY_SHORT = 0.1  # of the day budget
NAMED = 5  # syncs that one sign names
_UNDER_WAY = ("running", "failed")


class Tone(IntEnum):
    """How bad it is, the worst first. The names are CSS classes."""

    BAD = 0
    WARN = 1
    UNKNOWN = 2
    GOOD = 3

    @property
    def css(self) -> str:
        """The class of the page's styles."""
        return self.name.lower()

    @property
    def label(self) -> str:
        """The word for those who see no colour."""
        return {"BAD": "Trouble", "WARN": "Warning", "UNKNOWN": "Not known", "GOOD": "Good"}[self.name]


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to know of a tenant: in words, the next step, and the link to where it is done."""

    tone: Tone
    words: str
    step: str = ""
    link: str = ""


def signs(facts: TenantFacts, *, troubled_locations: int = 0) -> list[Sign]:
    """What is wrong or not known, the worst first; one good sign when all was read and nothing is wrong.

    `troubled_locations` is how many locations of a company are in trouble, which its table shows.
    """
    found = [sign for rule in _RULES for sign in rule(facts)]
    if troubled_locations:
        words = "location is" if troubled_locations == 1 else "locations are"
        found.append(Sign(Tone.BAD, f"{troubled_locations:,} {words} in trouble", "see the table", "#locations"))
    if not found:
        return [Sign(Tone.GOOD, "Healthy: installed, its tokens work, syncs, jobs and events succeed")]
    return sorted(found, key=lambda sign: sign.tone)


def _unread(facts: TenantFacts) -> Iterator[Sign]:
    names = {
        "installations": "installations",
        "credentials": "credentials",
        "plans": "syncs",
        "inbox": "events",
        "jobs": "jobs",
    }
    hidden = [title for name, title in names.items() if getattr(facts, name) is None]
    if hidden:
        yield Sign(Tone.UNKNOWN, f"Not known to you: {', '.join(hidden)}", "ask an owner for the permission")


def _installation(facts: TenantFacts) -> Iterator[Sign]:
    if facts.installations is None:
        return
    if not facts.installations:
        yield Sign(Tone.UNKNOWN, "No app is installed here", "send the install link", reverse("install"))
    for one in facts.installations:
        row, link = one.row, _page("tenants_installation", one.row.pk)
        if row.status == Installation.Status.UNINSTALLED:
            at = relative(row.status_at, facts.now)
            yield Sign(Tone.UNKNOWN, f"{row.app} was uninstalled {at}", "its history says why", link)
            continue
        if row.status == Installation.Status.PENDING:
            yield Sign(Tone.WARN, f"{row.app} has no token here yet", "reconcile it now", link)
        if row.braked_at:
            words = f"{row.missing:,} locations are missing from HighLevel's list"
            yield Sign(Tone.BAD, words, "see whether they are gone, and uninstall them", link)


def _app(facts: TenantFacts) -> Iterator[Sign]:
    """What keeps an installed app from working fully."""
    for one in _standing(facts):
        row, link = one.row, _page("tenants_installation", one.row.pk)
        if row.app.halted_at:
            words = f"Refreshes of {row.app} are halted: {row.app.halted_reason}"
            yield Sign(Tone.BAD, words, "correct the app's client id and secret", _page("tenants_app", row.app_id))
        if one.scopes.missing:
            words = f"{row.app} lacks scopes: {', '.join(one.scopes.missing)}"
            yield Sign(Tone.WARN, words, "send the link that asks again", link)
        if one.version and one.version.deprecated_at:
            words = f"Version {one.version} of {row.app} ends {one.version.deprecated_at:%Y-%m-%d}"
            tone = Tone.BAD if one.version.is_deprecated(facts.now) else Tone.WARN
            yield Sign(tone, words, "ask them to update the app", _page("tenants_appversion", one.version.pk))


def _missing_token(facts: TenantFacts) -> Iterator[Sign]:
    if facts.credentials is None:
        return
    have = {row.app_id for row in facts.credentials}
    for one in _standing(facts):
        if one.row.is_installed and one.row.app_id not in have:
            link = _page("tenants_installation", one.row.pk)
            yield Sign(Tone.BAD, f"{one.row.app} is installed, and no token of it is stored", "reconcile it now", link)


def _credentials(facts: TenantFacts) -> Iterator[Sign]:
    for row in facts.credentials or ():
        link = _page("tokens_credential", row.pk)
        why = row.reason or row.last_error or row.last_error_code.replace("_", " ")
        because = f": {why}" if why else ""
        if row.state == Credential.State.NEEDS_RECONNECT:
            yield Sign(Tone.BAD, f"{row.app} has to be reconnected{because}", "send its reconnect link", link)
        elif row.state == Credential.State.SUSPENDED:
            yield Sign(Tone.WARN, f"{row.app} is suspended{because}", "refresh it once the location is active", link)
        elif row.state == Credential.State.ACTIVE and row.expires_at and row.expires_at < facts.now:
            words = f"The token of {row.app} expired {relative(row.expires_at, facts.now)}{because}"
            yield Sign(Tone.BAD, words, "refresh it now", link)


def _standing(facts: TenantFacts) -> list[Installed]:
    """The installations that did not end."""
    return [one for one in facts.installations or () if one.row.status != Installation.Status.UNINSTALLED]


def _syncs(facts: TenantFacts) -> Iterator[Sign]:
    if facts.installations is not None and not _standing(facts):
        return  # an uninstalled location is not synced
    plans = facts.plans or []
    for plan in (plan for plan in plans if plan.status == "failed"):
        words = f"The sync of {_title(plan)} failed: {plan.error or plan.error_code}"
        yield Sign(Tone.BAD, words, "see the run", _page("sync_run", plan.run_id))
    stopped = [plan for plan in plans if not plan.enabled and plan.status != "failed"]
    fresh = [plan for plan in plans if plan.enabled and plan.synced_at is None and plan.status not in _UNDER_WAY]
    for found, state, step in (
        (stopped, "paused", "go on with them"),
        (fresh, "not complete once yet", "run them now"),
    ):
        if found:
            names = ", ".join(_title(plan) for plan in found[:NAMED])
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            link = reverse("admin:sync_plan_changelist") + f"?q={facts.tenant.id}"
            yield Sign(Tone.WARN, f"Syncs {state}: {names}{more}", step, link)


def _title(plan: Progress) -> str:
    return plan.resource.replace("_", " ")


def _events(facts: TenantFacts) -> Iterator[Sign]:
    inbox, key = facts.inbox, facts.tenant.id
    if inbox is None:
        return
    address = reverse("admin:webhooks_event_changelist") + f"?q={key}"
    if inbox.oldest and inbox.oldest < facts.now - WAITS_LONG:
        words = f"{_events_of(inbox.waiting)} waiting, the oldest was received {relative(inbox.oldest, facts.now)}"
        yield Sign(Tone.BAD, words, "see that a worker runs", f"{address}&status__exact=pending")
    if inbox.poisoned:
        words = f"{_events_of(Counted(inbox.poisoned))} of the last 24 hours could not be processed"
        yield Sign(Tone.WARN, words, "see their errors, then process them again", f"{address}&status__exact=poisoned")


def _events_of(count: Counted) -> str:
    return f"{count} event{'' if count.number == 1 else 's'}"


def _jobs(facts: TenantFacts) -> Iterator[Sign]:
    for one in facts.jobs or ():
        if one.run and one.status == "failed":
            words = f"Job {one.schedule.job} failed: {one.run.error or one.run.error_code}"
            yield Sign(Tone.BAD, words, "see the run", _page("jobs_run", one.run.pk))


def _writes(facts: TenantFacts) -> Iterator[Sign]:
    """Calls of unknown fate, and those that hold others."""
    if facts.outbox and (number := facts.outbox.to_decide):
        link = reverse("admin:outbox_entry_changelist") + f"?q={facts.tenant.id}&state__in={','.join(TO_DECIDE)}"
        words = f"{number:,} outbox entr{'y waits' if number == 1 else 'ies wait'} for a decision"
        yield Sign(Tone.WARN, words, "see why, and decide", link)
    for one in facts.upserts or ():
        link = _page("upserts_upsert", one.row.pk)
        if one.progress.unknown:
            words = f"{one.progress.unknown:,} rows of bulk upsert {one.row.pk} may have been written or not"
            yield Sign(Tone.WARN, words, "look at HighLevel, then decide", link)
        if one.progress.status == "failed":
            words = f"Bulk upsert {one.row.pk} stopped: {one.progress.error or 'rows still wait'}"
            yield Sign(Tone.BAD, words, "mend the cause, then let it go on", link)


def _quota(facts: TenantFacts) -> Iterator[Sign]:
    for one in facts.quotas or ():
        link = reverse("admin:quota_resource", args=[one.key])
        if one.now is None:
            yield Sign(Tone.UNKNOWN, "The quota store does not answer", "start Redis; calls wait until then", link)
            return
        limit, left = one.now.day_limit, one.now.day_remaining
        if limit and left is not None and left < DAY_SHORT * limit:
            yield Sign(Tone.WARN, f"{left:,} of {limit:,} calls of the day are left", "see which job uses them", link)


def _calls(facts: TenantFacts) -> Iterator[Sign]:
    if facts.calls and facts.calls.count.number >= 100 and facts.tenant.user_type == UserType.LOCATION:
        link = reverse("admin:gateway_call_changelist") + f"?q={facts.tenant.id}"
        yield Sign(Tone.WARN, f"{facts.calls.count} calls failed in 24 hours", "see their errors", link)


def _page(name: str, pk: object) -> str:
    return reverse(f"admin:{name}_change", args=[pk])


_RULES: tuple[Callable[[TenantFacts], Iterator[Sign]], ...] = (
    _installation,
    _app,
    _missing_token,
    _credentials,
    _syncs,
    _events,
    _jobs,
    _writes,
    _quota,
    _calls,
    _unread,
)
