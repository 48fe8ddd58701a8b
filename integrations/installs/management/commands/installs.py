"""`manage.py installs`: companies with their locations, app versions with their installations, end of a brake."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.installs import brake, queries, register
from integrations.installs.queries import CompanyProgress
from integrations.tenants import marketplace, version_export, versions
from integrations.tenants.app_version import AppVersion
from integrations.tenants.models import App, Installation
from integrations.tenants.versions import VersionUse


class Command(PrintableCommand):
    """`manage.py installs`."""

    help = (
        "List the companies that installed the app and how many of their locations are connected, or release a "
        "company: uninstall the locations that are missing from HighLevel's list."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="companies, with their connected, pending and missing locations")
        released = actions.add_parser("release", help="uninstall the missing locations of a company")
        released.add_argument("id", help="the company's id")
        released.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        used = actions.add_parser("versions", help="app versions: installations, those on older versions, deprecation")
        exported = actions.add_parser("export", help="the installations of an app version as CSV, on standard output")
        exported.add_argument("version", help="the version's id or number")
        exported.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        for action in (shown, released, used):
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it. Exits with an error when the company is unknown or has nothing to release."""
        if options["action"] == "list":
            self._list(as_json=options["json"])
        elif options["action"] == "versions":
            self._versions(as_json=options["json"])
        elif options["action"] == "export":
            self.stdout.write("".join(version_export.lines(_version(options))), ending="")
        else:
            self._release(options)

    def _versions(self, *, as_json: bool) -> None:
        found = [use for app in App.objects.order_by("id") for use in versions.uses(app)]
        if as_json:
            self.stdout.write(json.dumps([_version_as_json(use) for use in found], indent=2))
            return
        self.stdout.write("\n".join(map(_version_line, found)) or "no installation reports a version")

    def _list(self, *, as_json: bool) -> None:
        found = queries.companies()
        if as_json:
            self.stdout.write(json.dumps([_as_json(row) for row in found], indent=2))
            return
        for row in found:
            self.stdout.write(_line(row))
        if not found:
            self.stdout.write("no company has installed the app")

    def _release(self, options: dict[str, Any]) -> None:
        row = _company(options)
        count = brake.release(row, actor="command line")
        if not count:
            raise CommandError(f"no locations of {row} are held back: nothing to release")
        if options["json"]:
            self.stdout.write(json.dumps({"company": row.resource_id, "released": count}))
        else:
            self.stdout.write(
                f"{count} missing locations of {row} are let go: a worker asks HighLevel for each and ends it"
            )


def _version(options: dict[str, Any]) -> AppVersion:
    rows = AppVersion.objects.select_related("app").order_by("-entered_at")
    try:
        rows = rows.filter(app=marketplace.find(options["app"])) if options["app"] else rows
    except IntegrationError as error:
        raise CommandError(str(error)) from error
    found = rows.filter(version_id=options["version"]).first() or rows.filter(number=options["version"]).first()
    if found is None:
        raise CommandError(f"there is no version {options['version']} here: see `manage.py installs versions`")
    return found


def _version_as_json(use: VersionUse) -> dict[str, Any]:
    version = use.version
    return {
        "app": version.app.client_id,
        "version_id": version.version_id,
        "number": version.number,
        "newest": use.is_newest,
        "companies": use.companies,
        "locations": use.locations,
        "scopes": sorted(version.scope_set),
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else None,
        "days_left": use.days_left(clock.now()),
    }


def _version_line(use: VersionUse) -> str:
    version, days = use.version, use.days_left(clock.now())
    state = "newest" if use.is_newest else "lags" if use.lags else "unused"
    ends = f", uninstalled {version.deprecated_at:%Y-%m-%d}, in {days} days" if version.deprecated_at else ""
    return f"{version} ({version.version_id}): {use.companies:,} companies, {use.locations:,} locations, {state}{ends}"


def _company(options: dict[str, Any]) -> Installation:
    try:
        row = register.find(marketplace.find(options["app"]), Tenant.company(options["id"]))
    except IntegrationError as error:
        raise CommandError(str(error)) from error
    if row is None:
        raise CommandError(f"the app is not installed on a company {options['id']}: see `manage.py installs list`")
    return row


def _as_json(row: CompanyProgress) -> dict[str, Any]:
    installation = row.installation
    return {
        "company": installation.resource_id,
        "name": installation.company.name if installation.company else "",
        "app": installation.app.client_id,
        "status": installation.status,
        "connected": row.connected,
        "pending": row.pending,
        "missing": row.missing,
        "braked_at": row.braked_at.isoformat() if row.braked_at else None,
    }


def _line(row: CompanyProgress) -> str:
    text = (
        f"{row.installation.tenant}: {row.installation.status}, {row.connected:,} of {row.total:,} locations connected"
    )
    if row.braked_at is None:
        return text
    cure = f"manage.py installs release {row.installation.resource_id}"
    return f"{text}; {row.missing:,} missing from HighLevel's list: `{cure}`"
