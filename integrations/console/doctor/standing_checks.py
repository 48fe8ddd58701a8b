"""Checks of what stands: the vault's keys, marketplace apps, locations that vanished, and work that is overdue."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.urls import reverse

from integrations.console.doctor import worker_ping
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.heartbeat_checks import workers_page
from integrations.core import clock
from integrations.jobs import queries as jobs
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.vault import status as vault_status


def vault() -> Iterator[Finding]:
    """Compares the keys that sealed stored values with the configured ones."""
    status = vault_status.examine()
    for problem in status.problems:
        found, _, fix = problem.partition(": ")
        yield Finding("vault keys", Level.FAILED, found, fix)
    if status.stale:
        yield Finding(
            "vault keys",
            Level.WARNING,
            f"{status.stale} values under older keys or without the address they are sent to",
            "run manage.py vault rotate",
        )
    if status.retirable:
        yield Finding("vault keys", Level.OK, f"no longer needed: {', '.join(status.retirable)}")
    yield Finding("vault keys", Level.OK, f"{status.newest!r} seals")


def apps() -> Iterator[Finding]:
    """Each marketplace app: its secrets, its scopes, and whether its refreshes are halted."""
    marketplace.default()
    known = set(App.objects.values_list("highlevel_id", flat=True))
    for unknown in sorted(set(settings.BRAND.apps) - known):
        fix = f"correct the app id in BRAND_FILE: the apps here are {', '.join(sorted(known))}"
        yield Finding("brand", Level.WARNING, f"[apps.{unknown}] is no app of this deployment", fix)
    for app in App.objects.order_by("id"):
        name, link = f"app {app.name}", reverse("admin:tenants_app_change", args=[app.pk])
        if app.halted_at:
            yield Finding(name, Level.FAILED, f"halted: {app.halted_reason}", "correct its client id and secret", link)
        if app.shared_secret_sealed is None:
            fix = "set HIGHLEVEL_SHARED_SECRET, or enter it in the app's admin page"
            yield Finding(name, Level.WARNING, "no shared secret, so /embed/ cannot verify its users", fix, link)
        if not app.scopes:
            fix = "set HIGHLEVEL_SCOPES, or enter them in the app's admin page"
            yield Finding(name, Level.WARNING, "no scopes are set", fix, link)
        yield Finding(name, Level.OK, f"client id {app.client_id}, {len(app.scope_set)} scopes")


def installations() -> Iterator[Finding]:
    """Companies from whose list many locations vanished, while the locations' own tokens work."""
    braked = list(Installation.objects.braked().select_related("app", "company"))
    for row in braked:
        found = f"{row.missing:,} locations of {row.company or row.resource_id} are missing from HighLevel's list"
        command = f"manage.py installs release {row.resource_id}"
        fix = f"look at the agency in HighLevel; if they are gone, let them go on its page or by {command}"
        link = reverse("admin:tenants_installation_change", args=[row.pk])
        yield Finding("installations", Level.WARNING, found, fix, link)
    if not braked:
        yield Finding("installations", Level.OK, "no unexplained missing locations")


def backlog() -> Iterator[Finding]:
    """Work that a sweep should have found already."""
    now = clock.now()
    workers = workers_page()
    late = {name: count for name, count in worker_ping.overdue(now).items() if count}
    for delay in jobs.delays(now, 1):
        if delay.seconds > worker_ping.LATE.total_seconds():
            found = (
                f"{delay.tenant_id} has waited for {delay.job} for {delay.seconds:.0f} s, longer than any other tenant"
            )
            yield Finding("backlog", Level.WARNING, found, "add workers, or see which job takes their threads", workers)
    if late:
        listed = ", ".join(f"{count} {name}" for name, count in late.items())
        fix = "start beat and a worker; if they run, add workers"
        yield Finding("backlog", Level.WARNING, f"overdue for over two minutes: {listed}", fix, workers)
    else:
        yield Finding("backlog", Level.OK, "nothing is overdue")
