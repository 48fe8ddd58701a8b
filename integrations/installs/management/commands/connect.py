"""`manage.py connect`: connects a company or location with a private integration token or an API 1.0 key.

The token is read from standard input, never from an argument: other users of the machine see arguments, and shells keep
them.
"""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.tenant import UserType
from integrations.installs.entered import advice, arguments, connection
from integrations.installs.entered.connection import Connection
from integrations.tenants import agency_plan
from integrations.tenants.credential_kinds import CredentialKind
from integrations.tokens.models import CredentialKey

KINDS = {"private": CredentialKind.PRIVATE, "api1": CredentialKind.KEY}
LONGEST_INPUT = 10_000  # characters; more is not a token


class Command(PrintableCommand):
    """`manage.py connect`."""

    help = (
        "Connect a location or company with a private integration token or an API 1.0 key. The token comes from "
        "standard input, or is asked for. HighLevel has to accept it before anything is stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        arguments.declare(parser)
        parser.add_argument(
            "--kind", choices=KINDS, required=True, help="private integration token (pit-...), or API 1.0 key"
        )

    def handle(self, *_: Any, **given: Any) -> None:
        """Read the token, connect, print the result. Exits with an error that says what to do."""
        try:
            key = arguments.key(given)
            made = connection.connect(key, self._token(key), kind=KINDS[given["kind"]], actor="command line")
        except IntegrationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(_as_json(made), indent=2) if given["json"] else _line(made))

    def _token(self, key: CredentialKey) -> str:
        """The token from standard input. A person reads first what can be entered, and the account's plan."""
        if not sys.stdin.isatty():
            return sys.stdin.read(LONGEST_INPUT)
        self.stderr.write(
            f"{advice.as_text()}\n\nThe plan of this account's agency. {agency_plan.words(key.app, key.tenant)}"
        )
        return getpass.getpass("Token or key (not shown): ")


def _as_json(made: Connection) -> dict[str, Any]:
    row = made.installation
    return {
        "tenant": row.tenant.audit_subject,
        "app": row.app.client_id,
        "status": row.status,
        "installation_kind": row.kind,
        "credential_kind": made.credential.kind,
        "generation": made.credential.generation,
    }


def _line(made: Connection) -> str:
    row = made.installation
    if made.beside:
        return f"{row.tenant} has an API 1.0 key now, beside its {row.get_kind_display()}, with which it is synced"
    if row.user_type == UserType.COMPANY:
        return (
            f"{row.tenant} is connected by its {row.get_kind_display()}: a worker lists its locations now. The token "
            "reaches none of their data: connect each by a token of its own, or install the app there"
        )
    return f"{row.tenant} is connected by its {row.get_kind_display()}: a worker syncs it now (`manage.py status`)"
