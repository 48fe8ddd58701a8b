"""`manage.py export`: writes all data of a tenant or a contact to JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.privacy import export_writer, purge_scope


class Command(PrintableCommand):
    """`manage.py export`."""

    help = "Write all data of a location, a company with its locations, or one contact to a new directory: JSON Lines."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("directory", metavar="DIR", type=Path)
        tenant = parser.add_mutually_exclusive_group(required=True)
        tenant.add_argument("--location", metavar="ID")
        tenant.add_argument("--company", metavar="ID")
        parser.add_argument("--contact", metavar="ID", help="only this contact of the location")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the files and print how many lines each has."""
        if options["contact"] and not options["location"]:
            raise CommandError("--contact needs --location: a contact belongs to one")
        tenant = Tenant.location(options["location"]) if options["location"] else Tenant.company(options["company"])
        scope = purge_scope.of(tenant, contact=options["contact"] or "")
        try:
            lines = export_writer.write(scope, options["directory"], actor="command line")
        except IntegrationError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(
                json.dumps({"tenant": tenant.audit_subject, "directory": str(options["directory"]), "lines": lines})
            )
        else:
            self.stdout.write("\n".join(f"{number:>12,}  {name}.jsonl" for name, number in lines.items()))
