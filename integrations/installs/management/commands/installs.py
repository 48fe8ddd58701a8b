"""`manage.py installs`: lists the companies with their locations, and lets locations go that vanished from a list."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.installs import brake, queries, register
from integrations.installs.queries import CompanyProgress
from integrations.tenants import marketplace
from integrations.tenants.models import Installation


class Command(BaseCommand):
    """`manage.py installs`."""

    help = (
        "List the companies that installed the app and how many of their locations are connected, or release a "
        "company: let the locations go that vanished from HighLevel's list."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="companies, with their connected, pending and missing locations")
        released = actions.add_parser("release", help="let the missing locations of a company go")
        released.add_argument("id", help="the company's id")
        released.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        for action in (shown, released):
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it. Exits with an error when the company is unknown or has nothing to release."""
        if options["action"] == "list":
            self._list(as_json=options["json"])
        else:
            self._release(options)

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
