"""Check of granted scopes and of app versions that end, for `doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from integrations.console import permissions
from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.tenants import versions
from integrations.tenants.version_admin import countdown


def permissions_and_versions() -> Iterator[Finding]:
    """Missing scopes, and versions whose installations will be uninstalled."""
    found = False
    for app, count in permissions.gaps():
        found = True
        words = f"{count:,} installation{' lacks' if count == 1 else 's lack'} scopes that {app.name} asks for"
        link = reverse("admin:tenants_installation_changelist") + f"?scopes=missing&app__id__exact={app.pk}"
        yield Finding("scopes", Level.WARNING, words, "open them and send their consent links", link)
    for version, count in versions.ending(clock.now()):
        found = True
        words = f"{count:,} installation{'' if count == 1 else 's'} on version {version} of {version.app.name}"
        fix = "ask them to update; its page lists and exports them"
        link = reverse("admin:tenants_appversion_change", args=[version.pk])
        yield Finding("versions", Level.WARNING, f"{words}, uninstalled {countdown(version)}", fix, link)
    if not found:
        yield Finding("scopes", Level.OK, "no grant lacks a scope, and no version ends")
