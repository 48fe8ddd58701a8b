"""`manage.py refresh`: refreshes one location's or company's token pair now, or all pairs that are due.

Workers refresh by themselves, hours before it is needed. The command is for an operator who wants to watch a refresh or
has no worker.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tokens import store, tasks
from integrations.tokens.admin_pages import commands
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """Result for one credential: the row afterwards, and why it has no new pair."""

    row: Credential
    error: IntegrationError | None = None

    def as_json(self) -> dict[str, Any]:
        """The result's `--json` fields."""
        found = self.row.expires_at
        return {
            "tenant": self.row.tenant.audit_subject,
            "state": self.row.state,
            "generation": self.row.generation,
            "expires_at": found.isoformat() if found else None,
            "error_code": self.error.code if self.error else None,
            "error": str(self.error) if self.error else None,
        }

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.row.tenant.audit_subject}: {self.row.state}, {self.error}"
        until = f", good until {self.row.expires_at:%Y-%m-%d %H:%M:%S} UTC" if self.row.expires_at else ""
        return f"{self.row.tenant.audit_subject}: {self.row.state}, generation {self.row.generation}{until}"


class Command(PrintableCommand):
    """`manage.py refresh`."""

    help = "Refresh a location's or company's token now; without either, all tokens that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        tenant = parser.add_mutually_exclusive_group()
        tenant.add_argument("--location", metavar="ID")
        tenant.add_argument("--company", metavar="ID")
        parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Refresh, print an outcome per credential; exit with an error when one failed."""
        try:
            outcomes = list(_due() if not (options["location"] or options["company"]) else [_asked(options)])
        except IntegrationError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps([outcome.as_json() for outcome in outcomes], indent=2))
        else:
            self.stdout.write("\n".join(map(str, outcomes)) or "no token is due")
        if any(outcome.error for outcome in outcomes):
            sys.exit(1)


def _asked(options: dict[str, Any]) -> RefreshResult:
    app, location, company = marketplace.find(options["app"]), options["location"], options["company"]
    key = store.location(app, location) if location else store.company(app, company)
    row = store.find(key) or store.find(replace(key, api=Credential.Api.ONE))
    if row is None:
        raise CommandError("the app has no token for it: `manage.py status` lists what is installed")
    if not row.abilities.renews:
        kind = row.get_kind_display()
        raise CommandError(f"the {kind} of {row.tenant} cannot be refreshed: replace it on its admin page")
    commands.ask_refresh(row, actor="command line")
    return _refreshed(row.pk, forced=True)


def _due() -> Iterator[RefreshResult]:
    now = clock.now()
    for credential_id in list(tasks.longest_due(now).values_list("pk", flat=True)):
        yield _refreshed(credential_id, forced=False)


def _refreshed(credential_id: int, *, forced: bool) -> RefreshResult:
    """Refresh in the interactive lane. A refresh by a worker in the meantime counts as well."""
    due_before = None if forced else clock.now()
    try:
        return RefreshResult(refresh(credential_id, lane=Lane.INTERACTIVE, due_before=due_before, forced=forced))
    except IntegrationError as error:
        return RefreshResult(Credential.objects.get(pk=credential_id), error)
