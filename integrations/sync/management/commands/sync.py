"""`manage.py sync`: make sync plans due now, and with --wait show their runs until the end.

The command makes plans due; the workers run them. With --wait and without a worker it says so instead of waiting.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.sync import plans, queries, tasks, wait_for_runs
from integrations.sync.models import Plan
from integrations.sync.queries import Progress
from integrations.sync.resources import RESOURCES


class Command(PrintableCommand):
    """The command `sync`."""

    help = "Sync now: all locations and resources, or those named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--location", metavar="ID", help="only this location")
        parser.add_argument("--resource", choices=sorted(RESOURCES), help="only this resource")
        parser.add_argument("--full", action="store_true", help="read everything, not only what changed")
        parser.add_argument(
            "--repair",
            action="store_true",
            help="read everything and compare it with the copy, without trusting the copy's dates and checkpoints",
        )
        parser.add_argument("--wait", action="store_true", help="show progress and wait for the end")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the plans due, and wait if asked to."""
        now = clock.now()
        wanted = _plans(options)
        ids = plans.request_runs(wanted, now, full=options["full"], repair=options["repair"])
        if not ids:
            raise CommandError("no enabled plan fits: is the app installed there? `manage.py status` lists what is")
        if options["wait"]:
            _need_workers()
            wait_for_runs.until_done(ids, asked_at=now, show=not options["json"])
        outcome = queries.progress(Plan.objects.filter(pk__in=ids))
        self.stdout.write(_as_json(outcome) if options["json"] else _as_text(outcome, waited=options["wait"]))
        failed = [entry for entry in outcome if entry.status in ("failed", "cancelled")]
        if options["wait"] and failed:
            sys.exit(1)


def _plans(options: dict[str, Any]) -> QuerySet[Plan]:
    found = Plan.objects.all()
    if options["location"]:
        found = found.filter(location_id=options["location"])
    if options["resource"]:
        found = found.filter(resource=options["resource"])
    return found


def _need_workers() -> None:
    alive = tasks.workers()
    if alive is None:
        raise CommandError("the broker does not answer; the runs start when it and a worker are back")
    if not alive:
        raise CommandError("no worker is running; the runs start when one does: celery -A hlapp worker -P threads")


def _as_json(outcome: list[Progress]) -> str:
    names = ("plan_id", "location_id", "resource", "run_id", "kind", "status", "seen", "total", "deleted")
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
    return f"{entry.location_id} {entry.resource}: {entry.kind} {entry.status}, {counts}{trouble}"
