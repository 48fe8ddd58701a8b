"""`manage.py disconnect`: deletes the entered tokens of a company or location, and its synced data."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.installs.entered import arguments, connection
from integrations.tenants.credential_kinds import CredentialKind


class Command(PrintableCommand):
    """`manage.py disconnect`."""

    help = (
        "Disconnect a location or company that was connected with a private integration token or an API 1.0 key. Its "
        "tokens, sync plans and records here are deleted. An OAuth installation stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        arguments.declare(parser)

    def handle(self, *_: Any, **given: Any) -> None:
        """Disconnect and print what was deleted. Exits with an error when no token was entered."""
        try:
            key = arguments.key(given)
            kinds = connection.disconnect(key, actor="command line")
        except IntegrationError as error:
            raise CommandError(str(error)) from error
        if given["json"]:
            self.stdout.write(json.dumps({"tenant": key.tenant.audit_subject, "disconnected": kinds}))
        else:
            named = " and its ".join(CredentialKind(kind).label for kind in kinds)
            self.stdout.write(f"{key.tenant} is disconnected from its {named}. {connection.STILL_VALID}.")
