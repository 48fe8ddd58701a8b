"""`manage.py sync`: make sync plans due now, and with --wait show their runs until the end.

The command makes plans due; the workers run them. With --wait and without a worker it says so instead of waiting.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, IntegrationError
from integrations.sync import plans, queries, tasks, wait_for_runs
from integrations.sync.choose import adaptive_command, choose_command, coverage, offers, variant_command, wanted
from integrations.sync.choose.wanted import WantedChoice
from integrations.sync.models import Plan
from integrations.sync.queries import Progress
from integrations.sync.resources import RESOURCES
from integrations.tenants import marketplace

ACTOR = "manage.py sync"


class Command(PrintableCommand):
    """The command `sync`."""

    help = "Sync now: all locations, companies and resources, or those named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--location", metavar="ID", help="only this location")
        one.add_argument("--company", metavar="ID", help="only this company, without its locations")
        parser.add_argument("--resource", choices=sorted(RESOURCES), help="only this resource")
        parser.add_argument("--full", action="store_true", help="read everything, not only what changed")
        parser.add_argument(
            "--repair",
            action="store_true",
            help="read everything and compare it with the copy, without trusting the copy's dates and checkpoints",
        )
        parser.add_argument("--wait", action="store_true", help="show progress and wait for the end")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
        verbs = parser.add_subparsers(dest="verb", metavar="resources|choose|variant|adaptive|coverage")
        chosen = verbs.add_parser("resources", help="which resources are synced, what each costs; choose them")
        choose_command.add_tenant(chosen)
        chosen.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        chosen.add_argument("--enable", metavar="NAME", action="append", default=[], help="sync it; may be repeated")
        chosen.add_argument("--disable", metavar="NAME", action="append", default=[], help="do not; what is here stays")
        chosen.add_argument(
            "--calls-per-day", metavar="NAME=NUMBER", help="of a resource that is read record by record"
        )
        chosen.add_argument("--json", action="store_true")
        choose = verbs.add_parser("choose", help="sync resources or not, and how often, with an estimate of the calls")
        choose_command.add_arguments(choose)
        adaptive = verbs.add_parser("adaptive", help="busy locations are synced more often, quiet ones less")
        adaptive_command.add_arguments(adaptive)
        variant = verbs.add_parser(
            "variant", help="a further listing of a resource, with filters and an interval of its own"
        )
        variant_command.add_arguments(variant)
        verbs.add_parser("coverage", help="docs/sync-coverage.md: what of the vendor's listings is synced")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the plans due, and wait if asked to; or one of the subcommands."""
        if options["verb"] == "coverage":
            self.stdout.write(coverage.document(), ending="")
            return
        shown = {
            "resources": self._resources,
            "choose": self._choose,
            "variant": self._variant,
            "adaptive": self._adaptive,
        }
        if options["verb"] in shown:
            try:
                self.stdout.write(shown[options["verb"]](options))
            except IntegrationError as error:
                raise CommandError(str(error)) from error
            return
        now = clock.now()
        wanted = _plans(options)
        ids = plans.request_runs(wanted, now, full=options["full"], repair=options["repair"])
        if not ids:
            raise CommandError(
                "no enabled plan fits: is the app installed there, or a token of its own entered? "
                "`manage.py status` lists what is connected"
            )
        if options["wait"]:
            _need_workers()
            wait_for_runs.until_done(ids, asked_at=now, show=not options["json"])
        outcome = queries.progress(Plan.objects.filter(pk__in=ids))
        self.stdout.write(_as_json(outcome) if options["json"] else _as_text(outcome, waited=options["wait"]))
        failed = [entry for entry in outcome if entry.status in ("failed", "cancelled")]
        if options["wait"] and failed:
            sys.exit(1)

    def _choose(self, options: dict[str, Any]) -> str:
        return choose_command.run(options, actor=ACTOR)

    def _variant(self, options: dict[str, Any]) -> str:
        return variant_command.run(options, actor=ACTOR)

    def _adaptive(self, options: dict[str, Any]) -> str:
        return adaptive_command.run(options, actor=ACTOR)

    def _resources(self, options: dict[str, Any]) -> str:
        """Choose, then show what is chosen."""
        now, tenant = clock.now(), choose_command.tenant_of(options)
        app = marketplace.find(options["app"])
        name, _, number = (options["calls_per_day"] or "").partition("=")
        if name and not number.isdecimal():
            raise BadRequest("--calls-per-day takes a resource, = and a number, such as notes=2000")
        calls = {name: wanted.calls_of(number)} if name else {}
        asked = WantedChoice(on=frozenset(options["enable"]), off=frozenset(options["disable"]), calls=calls)
        wanted.make(app, asked, now, actor=ACTOR, tenant=tenant)
        found = offers.offers(app, tenant)
        rows = [asdict(offer) for offer in found]
        return json.dumps(rows, indent=2, default=str) if options["json"] else choose_command.text(found)


def _plans(options: dict[str, Any]) -> QuerySet[Plan]:
    found = Plan.objects.all()
    tenant = choose_command.tenant_of(options)
    if tenant is not None:
        names = [name for name, resource in RESOURCES.items() if resource.level is tenant.user_type]
        found = found.filter(location_id=tenant.id, resource__in=names)
    if options["resource"]:
        found = found.filter(resource=options["resource"])
    return found


def _need_workers() -> None:
    alive = tasks.workers()
    if alive is None:
        raise CommandError("the broker does not answer; the runs start when it and a worker are back")
    if not alive:
        raise CommandError("no worker is running; the runs start when one does: manage.py serve worker-urgent worker")


def _as_json(outcome: list[Progress]) -> str:
    names = ("plan_id", "location_id", "resource", "variant", "run_id", "kind", "status", "seen", "total", "deleted")
    of_error = ("error_code", "error", "trace_id", "vendor_answer")
    rows = [{name: getattr(entry, name) for name in (*names, *of_error)} for entry in outcome]
    return json.dumps(rows, indent=2)


def _as_text(outcome: list[Progress], *, waited: bool) -> str:
    if not waited:
        return f"{len(outcome)} plans are due now."
    lines = [_line(entry) for entry in outcome]
    return "\n".join(lines)


def _line(entry: Progress) -> str:
    trouble = f": {entry.error}" if entry.error else ""
    counts = f"{entry.seen} seen, {entry.deleted} deleted"
    variant = f" ({entry.variant})" if entry.variant else ""
    return f"{entry.location_id} {entry.resource}{variant}: {entry.kind} {entry.status}, {counts}{trouble}"
