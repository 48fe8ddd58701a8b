"""The live check of webhook silence: events that were regular and have stopped, by `webhooks.stopped_events`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.core.ages import span
from integrations.core.pages import tenant_links
from integrations.webhooks import stopped_events
from integrations.webhooks.stopped_events import Silence

_NAME = "silence of webhooks"
_NAMED = 5  # tenants; the others are counted
_KEPT = stopped_events.WEEK.days + 2  # days: with fewer there is no week before the silence
_PORTAL = "see in the developer portal that the webhook URL is {url}, that it is not paused, and that events are chosen"


def webhook_silence() -> Iterator[Finding]:
    """Apps and tenants whose events stopped."""
    if settings.WEBHOOK_RETENTION_DAYS < _KEPT:
        found = f"not known: events are kept for {settings.WEBHOOK_RETENTION_DAYS} days, too short to compare weeks"
        yield Finding(_NAME, Level.UNKNOWN, found, f"set WEBHOOK_RETENTION_DAYS to {_KEPT} or more")
        return
    now = clock.now()
    apps = stopped_events.apps(now)
    tenants = stopped_events.tenants(now, [one.app_id for one in apps])
    yield from (_app(one, now) for one in apps)
    known = tenant_links.known(one.tenant.partition(":")[2] for one in tenants[:_NAMED])
    yield from (_tenant(one, known, now) for one in tenants[:_NAMED])
    if len(tenants) > _NAMED:
        more = len(tenants) - _NAMED
        found = f"{more:,} more tenants that had events regularly have none"
        yield Finding(_NAME, Level.WARNING, found, "see whether what they have in common explains it")
    if not apps and not tenants:
        yield Finding(_NAME, Level.OK, "none that had events regularly has stopped")


def _app(one: Silence, now: datetime) -> Finding:
    fix = _PORTAL.format(url=f"{settings.PUBLIC_URL}/webhooks/")
    link = f"{reverse('admin:webhooks_event_changelist')}?app__id__exact={one.app_id}"
    if one.is_likely:
        words = f"{one.app}: no event for {_span(one, now)}; in these hours of both weeks before many came"
        return Finding(_NAME, Level.WARNING, words, f"if it is no holiday, {fix}", link)
    return Finding(_NAME, Level.FAILED, f"{one.app}: {_words(one, now)}", fix, link)


def _tenant(one: Silence, known: dict[str, tenant_links.KnownTenant], now: datetime) -> Finding:
    tenant = known.get(one.tenant.partition(":")[2])
    link = tenant_links.url(tenant.tenant) if tenant else reverse("admin:webhooks_event_changelist")
    fix = "see on its page whether the app is still installed and its token works; reconcile it if not"
    return Finding(_NAME, Level.WARNING, f"{tenant.title if tenant else one.tenant}: {_words(one, now)}", fix, link)


def _words(one: Silence, now: datetime) -> str:
    return f"no event for {_span(one, now)}; before, at most {span(round(one.longest.total_seconds()))} went without"


def _span(one: Silence, now: datetime) -> str:
    return span(round((now - one.latest).total_seconds()))
