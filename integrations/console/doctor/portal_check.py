"""Compares what the developer portal says of an app with what is configured here (`manage.py doctor --portal`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from integrations.console.doctor import portal_files
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.portal_files import PortalApp
from integrations.highlevel.catalogue import event_types
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.webhooks import handlers
from integrations.webhooks.module_deliveries import TYPES, kind_of

ENDING = frozenset({"deprecating", "deprecated"})
# Their tokens and tenants come from the install itself, whether they are subscribed or not.
LIFECYCLE = frozenset(event_types.TYPES.values())
_SYNC = "integrations.sync."
_PULL = "compare again after `ghl app pull`"


def compare(path: Path) -> Iterator[Finding]:
    """One finding for each subject, and for each difference. Raises BadRequest for files that are not the CLI's."""
    portal = portal_files.read(path)
    app = App.objects.filter(highlevel_id=portal.app_id).order_by("pk").first()
    if app is None:
        here = ", ".join(App.objects.order_by("pk").values_list("highlevel_id", flat=True)) or "none"
        fix = "give the file of an app that is here, or add the app with its client id"
        yield Finding("portal app", Level.FAILED, f"{portal.app_id} is no app here; here: {here}", fix)
        return
    yield Finding("portal app", Level.OK, f"{portal.app_id} is {app.name}")
    yield from _version(app, portal)
    yield from _scopes(app, portal)
    yield from _redirect_uris(app, portal)
    yield from _webhook_urls(portal)
    yield from _events(portal)


def _version(app: App, portal: PortalApp) -> Iterator[Finding]:
    name, shown = "portal version", f"{portal.version} ({portal.version_id}, {portal.status})"
    if portal.status.lower() in ENDING:
        fix = "HighLevel uninstalls everybody on it on its day: let its accounts move to a newer version before"
        yield Finding(name, Level.WARNING, shown, fix)
    if app.version_id != portal.version_id:
        fix = f"set the version of the app to {portal.version_id} once it is live; {_PULL}"
        yield Finding(name, Level.WARNING, f"{shown}; install links here lead to {app.version_id}", fix)
        return
    others = Installation.objects.installed().filter(app=app).exclude(version_id__in=("", portal.version_id)).count()
    if others:
        fix = "see who is on which version at Versions in the admin pages"
        yield Finding(name, Level.WARNING, f"{shown}; {others} installations are on other versions", fix)
    else:
        yield Finding(name, Level.OK, shown)


def _scopes(app: App, portal: PortalApp) -> Iterator[Finding]:
    name = "portal scopes"
    if lacking := app.scope_set - portal.scopes:
        fix = "add them to the version in the portal, or take them out of the app's scopes: an install asks for them"
        yield Finding(name, Level.FAILED, f"not in the portal: {_listed(lacking)}", fix)
    if more := portal.scopes - app.scope_set:
        fix = "take them out of the portal if nothing needs them: accounts are asked to agree to each"
        yield Finding(name, Level.WARNING, f"in the portal only: {_listed(more)}", fix)
    if not lacking and not more:
        yield Finding(name, Level.OK, f"the same {len(portal.scopes)}")


def _redirect_uris(app: App, portal: PortalApp) -> Iterator[Finding]:
    name, ours = "portal redirect URIs", marketplace.redirect_uri(app)
    if ours not in portal.redirect_uris:
        there = _listed(portal.redirect_uris) or "none"
        yield Finding(name, Level.FAILED, f"{ours} is not among them: {there}", f"add {ours}, letter by letter")
    elif portal.default_redirect_uri and portal.default_redirect_uri != ours:
        fix = f"make {ours} the default: installs from the marketplace go to the default"
        yield Finding(name, Level.WARNING, f"the default is {portal.default_redirect_uri}", fix)
    else:
        yield Finding(name, Level.OK, ours)


def _webhook_urls(portal: PortalApp) -> Iterator[Finding]:
    name, ours = "portal webhook URL", f"{settings.PUBLIC_URL}/webhooks/"
    if portal.events is None:
        found = f"there is no {portal_files.WEBHOOKS_FILE} beside the file of the app"
        yield Finding(name, Level.UNKNOWN, found, f"subscribe events at {ours}, and {_PULL}")
        return
    elsewhere = sorted(event for event, url in portal.events.items() if not _is_ours(url or portal.webhook_url))
    if not _is_ours(portal.webhook_url):
        yield Finding(name, Level.FAILED, portal.webhook_url or "none", f"set it to {ours}")
    elif elsewhere:
        found = f"{_listed(elsewhere)} go to addresses of their own"
        yield Finding(name, Level.WARNING, found, f"remove these addresses if the events are meant for {ours}")
    else:
        yield Finding(name, Level.OK, portal.webhook_url)


def _is_ours(url: str) -> bool:
    """Whether it is the inbox: `/webhooks/`, or that of one app, with or without the last slash."""
    base, asked = urlsplit(settings.PUBLIC_URL), urlsplit(url)
    if (asked.scheme, asked.netloc) != (base.scheme, base.netloc):
        return False
    return f"{asked.path.rstrip('/')}/".startswith(f"{base.path}/webhooks/")


def _events(portal: PortalApp) -> Iterator[Finding]:
    name = "portal events"
    if portal.events is None:
        return
    subscribed = {event_types.TYPES.get(event, event) for event in portal.events}
    handled = {kind for kind, found in handlers.HANDLERS.items() if found} - LIFECYCLE
    handled -= {kind for kind in handled if kind_of(kind) in TYPES}  # modules have URLs, and no subscription
    waited_for = {kind for kind in handled if not all(_is_of_sync(one) for one in handlers.HANDLERS[kind])}
    if lacking := waited_for - subscribed:
        fix = "subscribe them in the portal: the handlers and jobs for them are never called"
        yield Finding(name, Level.FAILED, f"handled here and not subscribed: {_listed(lacking)}", fix)
    if later := handled - waited_for - subscribed:
        found = f"not subscribed, so the copy follows at its next listing only: {_listed(later)}"
        yield Finding(name, Level.WARNING, found, "subscribe those of the resources that you sync")
    if unused := subscribed - handled - LIFECYCLE:
        fix = "end the subscription, or handle them: they are stored and acknowledged, and nothing else happens"
        yield Finding(name, Level.WARNING, f"subscribed and not handled: {_listed(unused)}", fix)
    if not lacking and not later and not unused:
        yield Finding(name, Level.OK, f"the {len(subscribed)} that are handled")


def _is_of_sync(handler: handlers.Handler) -> bool:
    return str(getattr(handler, "__module__", "")).startswith(_SYNC)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
