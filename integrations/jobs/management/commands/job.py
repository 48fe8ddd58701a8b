"""`manage.py job list|run`: list the background jobs, and start one for one tenant or for all.

The command makes schedules due; the workers run them. With --wait and without a worker it fails after half a minute and
says why.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.jobs import define, installed, queries, schedules, tasks, watch
from integrations.jobs.define import Job
from integrations.jobs.models import Schedule
from integrations.tenants import marketplace
from integrations.tenants.models import Installation, UserType

_RESTART_SECONDS = 30.0
_PAUSE = 0.5


class Command(BaseCommand):
    """The command `job`."""

    help = "Background jobs: list them, or run one for a location, a company or all tenants."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the subcommands and their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", parents=[common], help="the jobs that are defined")
        run = verbs.add_parser("run", parents=[common], help="run a job now")
        run.add_argument("name")
        whom = run.add_mutually_exclusive_group(required=True)
        whom.add_argument("--location", metavar="ID")
        whom.add_argument("--company", metavar="ID")
        whom.add_argument("--all", action="store_true", help="every installed tenant of the job's level")
        run.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        run.add_argument("--wait", action="store_true", help="show progress and wait for the end")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = queries.jobs()
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(job, count) for job, count in found], indent=2))
            return
        lines = [_line(job, count) for job, count in found]
        self.stdout.write("\n".join(lines or ["no job is defined yet: README.md, “Your first background job”"]))

    def _run(self, options: dict[str, Any]) -> None:
        job, now = define.find(options["name"]), clock.now()
        ids = schedules.ask(job, _tenants(job, options), now)
        if not ids:
            raise CommandError("the app is installed on no such tenant: `manage.py status` lists what is")
        if options["wait"]:
            _need_workers(job)
            watch.until_done(ids, show=not options["json"])
        outcome = queries.standings(Schedule.objects.filter(pk__in=ids))
        if options["json"]:
            self.stdout.write(json.dumps([standing.as_json() for standing in outcome], indent=2))
        elif not options["wait"]:
            self.stdout.write(f"{job.name} runs now for {len(ids)} tenant{'' if len(ids) == 1 else 's'}.")
        else:
            self.stdout.write("\n".join(map(_outcome, outcome)))
        if options["wait"] and any(standing.status != "complete" for standing in outcome):
            sys.exit(1)


def _tenants(job: Job, options: dict[str, Any]) -> QuerySet[Installation]:
    app = marketplace.find(options["app"])
    level = UserType.COMPANY if options["company"] else UserType.LOCATION
    if not options["all"] and level != job.level:
        raise CommandError(f"{job.name} runs for each {job.level.lower()}: give --{job.level.lower()} ID")
    tenant_id = None if options["all"] else options["location"] or options["company"]
    return installed.tenants(job.level, app=app, tenant_id=tenant_id).select_related("app")


def _need_workers(job: Job) -> None:
    """Check that a worker knows the job. A worker that was just restarted gets half a minute."""
    until = clock.monotonic() + _RESTART_SECONDS
    while (why := _missing(tasks.workers(), job)) is not None:
        if clock.monotonic() > until:
            raise CommandError(why)
        clock.sleep(_PAUSE)


def _missing(alive: list[list[str]] | None, job: Job) -> str | None:
    if alive is None:
        return "the broker does not answer; the runs start when it and a worker are back"
    if not alive:
        return "no worker is running; the runs start when one does: celery -A hlapp worker -P threads"
    if not any(job.name in known for known in alive):
        return f"no worker knows {job.name} yet; the runs start when the workers are restarted: they read code once"
    return None


def _as_json(job: Job, count: int) -> dict[str, Any]:
    every = None if job.every is None else job.every.total_seconds()
    return {
        "name": job.name,
        "title": job.title,
        "every_seconds": every,
        "events": list(job.events),
        "lane": job.lane.value,
        "level": job.level.lower(),
        "schedules": count,
    }


def _line(job: Job, count: int) -> str:
    when = [f"every {job.every}"] if job.every else []
    when += [f"on {event_type}" for event_type in job.events]
    tenants = f"{count} tenant{'' if count == 1 else 's'}"
    return f"{job.name:40} {', '.join(when) or 'on demand'}; {tenants}; {job.lane.value}\n    {job.title}"


def _outcome(standing: queries.Standing) -> str:
    run = standing.run
    if run is None:
        return f"{standing.schedule.tenant_id}: not started"
    said = queries.outcome(run) or f"{run.done} done"
    trouble = f": {run.error}" if run.error else ""
    return f"{standing.schedule.tenant_id}: {run.status}, {said}{trouble}"
