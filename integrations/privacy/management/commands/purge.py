"""`manage.py purge`: deletes all data of a tenant or a contact, with a grace period and a receipt, and proves it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.privacy import (
    export_writer,
    left_search,
    purge_requests,
    purge_run,
    purge_scope,
    purge_stages,
    receipts,
)
from integrations.privacy.models import Purge
from integrations.privacy.purge_scope import Scope

ACTOR = "command line"
_POLL = 0.5  # seconds


class Command(PrintableCommand):
    """`manage.py purge`."""

    help = (
        "Delete all data of a tenant after its uninstall, or of one contact, when the grace period is over; cancel "
        "that; show receipts; and prove that nothing is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        tenant = actions.add_parser("tenant", help="all data of a location, or of a company and its locations")
        contact = actions.add_parser("contact", help="one contact of a location: record, children, webhooks, calls")
        verify = actions.add_parser(
            "verify", help="search all tables, Redis and the spool; exits 1 if anything is left"
        )
        for action in (tenant, contact, verify):
            _name_tenant(action, company=action is not contact)
            action.add_argument("--json", action="store_true", help="print the result as JSON")
        for action in (tenant, contact):
            action.add_argument("--export", metavar="DIR", type=Path, help="write the data there first, as JSON Lines")
            action.add_argument("--now", action="store_true", help="without the grace period")
            action.add_argument("--wait", action="store_true", help="do it here, until it is complete; with --now")
            action.add_argument("--dry-run", action="store_true", help="show what would go, and change nothing")
            action.add_argument("--yes", action="store_true", help="do not ask")
        contact.add_argument("--contact", metavar="ID", required=True)
        verify.add_argument("--contact", metavar="ID")
        verify.add_argument("--text", metavar="TEXT", action="append", default=[], help="a name, address or number")
        listed = actions.add_parser("list", help="purges that wait, run or ended, the newest first")
        shown = actions.add_parser("show", help="one purge with its receipt in the audit trail")
        cancelled = actions.add_parser("cancel", help="cancel a purge whose grace period is not over")
        for action in (listed, shown, cancelled):
            action.add_argument("--json", action="store_true", help="print the result as JSON")
        for action in (shown, cancelled):
            action.add_argument("id", type=int)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        acts = {"list": self._list, "show": self._show, "cancel": self._cancel, "verify": self._verify}
        try:
            acts.get(options["action"], self._purge)(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _purge(self, options: dict[str, Any]) -> None:
        scope = _scope(options)
        purge_requests.check(scope)
        counts = purge_stages.counts(scope)
        if options["dry_run"]:
            self._print(options, {"tenant": scope.tenant.audit_subject, "found": counts}, _table(scope, counts))
            return
        if options["wait"] and not options["now"]:
            raise CommandError("--wait does the purge here, so it needs --now")
        if not options["yes"]:
            self._confirm(scope, counts)
        if options["export"]:
            export_writer.write(scope, options["export"], actor=ACTOR)
        purge = purge_requests.request(scope.tenant, actor=ACTOR, contact=scope.contact, at_once=options["now"])
        if options["wait"]:
            _work(purge)
        purge.refresh_from_db()
        self._print(options, receipts.as_json(purge), receipts.text(purge, clock.now()))

    def _confirm(self, scope: Scope, counts: dict[str, int | None]) -> None:
        """Ask on standard error, so that --json prints JSON only."""
        name = scope.contact or scope.tenant.id
        self.stderr.write(
            f"{_table(scope, counts)}\nAll of it will be gone for good. Type {name} to go on: ", ending=""
        )
        self.stderr.flush()
        if sys.stdin.readline().strip() != name:
            raise CommandError("nothing was changed: that is not the id (--yes does not ask)")

    def _verify(self, options: dict[str, Any]) -> None:
        found = left_search.search(_scope(options), options["text"])
        left = [one for one in found if not one.kept]
        lines = [f"{'kept' if one.kept else 'LEFT'}  {one.place}: {one.rows} × {one.label}" for one in found]
        reasons = sorted({one.kept for one in found if one.kept})
        lines += [f"kept, because {reason}." for reason in reasons]
        lines.append(f"{len(left)} places have something left." if left else "Nothing is left.")
        self._print(options, {"left": len(left), "found": [asdict(one) for one in found]}, "\n".join(lines))
        if left:
            raise CommandError(f"something is left in {len(left)} places")

    def _list(self, options: dict[str, Any]) -> None:
        rows = list(Purge.objects.order_by("-pk")[:200])
        lines = "\n".join(receipts.line(row) for row in rows) or "no purge was asked for"
        self._print(options, [receipts.as_json(row) for row in rows], lines)

    def _show(self, options: dict[str, Any]) -> None:
        purge = _found(options["id"])
        self._print(options, receipts.as_json(purge), receipts.text(purge, clock.now()))

    def _cancel(self, options: dict[str, Any]) -> None:
        purge = _found(options["id"])
        purge_requests.cancel(purge, actor=ACTOR)
        purge.refresh_from_db()
        self._print(options, receipts.as_json(purge), f"{purge} is cancelled: nothing was deleted.")

    def _print(self, options: dict[str, Any], found: Any, text: str) -> None:
        self.stdout.write(json.dumps(found, indent=2) if options["json"] else text)


def _name_tenant(parser: CommandParser, *, company: bool) -> None:
    tenant = parser.add_mutually_exclusive_group(required=True)
    tenant.add_argument("--location", metavar="ID")
    if company:
        tenant.add_argument("--company", metavar="ID")


def _scope(options: dict[str, Any]) -> Scope:
    location, company = options.get("location"), options.get("company")
    tenant = Tenant.location(location) if location else Tenant.company(str(company))
    noted = Purge.objects.filter(user_type=tenant.user_type, tenant_id=tenant.id).exclude(locations=[]).last()
    scope = purge_scope.of(tenant, contact=options.get("contact") or "")
    if noted is None or options["action"] != "verify" or scope.locations:
        return scope
    return purge_scope.of(tenant, locations=noted.locations)


def _work(purge: Purge) -> None:
    """Do the turns here, as a worker does, until the purge ends."""
    while Purge.objects.filter(pk=purge.pk, due_at__isnull=False).exists():
        if not Purge.objects.filter(pk=purge.pk, due_at__gt=clock.now()).exists():
            purge_run.turn(purge.pk)
        clock.sleep(_POLL)


def _found(purge_id: int) -> Purge:
    purge = Purge.objects.filter(pk=purge_id).first()
    if purge is None:
        raise CommandError(f"there is no purge {purge_id}: see manage.py purge list")
    return purge


def _table(scope: Scope, counts: dict[str, int | None]) -> str:
    titles = purge_stages.titles(bool(scope.contact))
    rows = [
        f"{'unknown' if number is None else format(number, ','):>12}  {titles[name]}" for name, number in counts.items()
    ]
    below = len(scope.locations) if scope.companies else 0
    head = f"{scope.tenant.audit_subject}{f' and {below:,} locations' if below else ''}:"
    return "\n".join([head, *rows])
