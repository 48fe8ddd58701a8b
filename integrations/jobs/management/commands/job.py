"""`manage.py job list|run|pause|resume|events|retry|unknown|decide`: background jobs for operators on a terminal.

`run` makes schedules due; the workers run them. With --wait and without a worker it fails after half a minute and says
why. `events` lists what was set aside because the job failed over it, and `retry` lets the job see it again. `unknown`
lists writes that may have happened or not, and `decide` says which; then their runs go on.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q, QuerySet

from integrations.core import audit, clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.tenant import UserType
from integrations.jobs import define, events, installed, pausing, queries, schedules, tasks, wait_for_runs, writes
from integrations.jobs.define import Job
from integrations.jobs.models import JobState, Schedule, Trigger, Write
from integrations.tenants import marketplace
from integrations.tenants.models import Installation

ACTOR = "manage.py job"
_MOST_EVENTS = 1_000
_RESTART_SECONDS = 30.0
_PAUSE = 0.5


class Command(PrintableCommand):
    """The command `job`."""

    help = "Background jobs: list, run, pause or resume them, and retry events over which one failed."

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
        for verb, words in (
            ("pause", "pause a job for all tenants until it is resumed"),
            ("resume", "resume a paused job"),
            ("events", "the events on which a job failed"),
        ):
            verbs.add_parser(verb, parents=[common], help=words).add_argument("name")
        retry = verbs.add_parser("retry", parents=[common], help="run a job again for events on which it failed")
        retry.add_argument("name")
        which = retry.add_mutually_exclusive_group(required=True)
        which.add_argument("--id", action="append", metavar="ID", help="the webhook's id; may be repeated")
        which.add_argument("--all", action="store_true")
        unknown = verbs.add_parser("unknown", parents=[common], help="writes that may have happened or not")
        unknown.add_argument("name", nargs="?", default="", help="only of this job")
        decide = verbs.add_parser("decide", parents=[common], help="say whether such a write happened")
        decide.add_argument("id", type=int, help="the number that `job unknown` shows")
        fate = decide.add_mutually_exclusive_group(required=True)
        fate.add_argument("--happened", action="store_true", help="the run goes on behind it")
        fate.add_argument("--did-not-happen", action="store_true", help="the run sends it again")
        decide.add_argument("--answer", metavar="JSON", help="what the job gets as the answer of a write that happened")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = queries.jobs()
        if options["json"]:
            states = queries.states()
            rows = [_as_json(job, count, states.get(job.name)) for job, count in found]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        states = queries.states()
        lines = [_line(job, count, states.get(job.name)) for job, count in found]
        self.stdout.write("\n".join(lines or ["no job is defined yet: README.md, “Your first background job”"]))

    def _run(self, options: dict[str, Any]) -> None:
        job, now = define.find(options["name"]), clock.now()
        if job.name in pausing.paused():
            raise CommandError(f"{job.name} is paused: manage.py job resume {job.name}")
        ids = schedules.request_runs(job, _tenants(job, options), now)
        if not ids:
            needs = f", or lacks the scopes {' '.join(sorted(job.scopes))} there" if job.scopes else ""
            raise CommandError(f"the app is installed on no such tenant{needs}: `manage.py status` lists what is")
        if options["wait"]:
            _need_workers(job)
            wait_for_runs.until_done(ids, show=not options["json"])
        outcome = queries.with_latest_runs(Schedule.objects.filter(pk__in=ids))
        if options["json"]:
            self.stdout.write(json.dumps([scheduled.as_json() for scheduled in outcome], indent=2))
        elif not options["wait"]:
            self.stdout.write(f"{job.name} runs now for {len(ids)} tenant{'' if len(ids) == 1 else 's'}.")
        else:
            self.stdout.write("\n".join(map(_outcome, outcome)))
        if options["wait"] and any(scheduled.status != "complete" for scheduled in outcome):
            sys.exit(1)

    def _pause(self, options: dict[str, Any]) -> None:
        job = define.find(options["name"])
        done = pausing.pause(job.name, clock.now(), by=ACTOR)
        self._report(options, job.name, paused=True, changed=done)

    def _resume(self, options: dict[str, Any]) -> None:
        job = define.find(options["name"])
        done = pausing.resume(job.name, by=ACTOR)
        self._report(options, job.name, paused=False, changed=done)

    def _report(self, options: dict[str, Any], name: str, *, paused: bool, changed: bool) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"job": name, "paused": paused, "changed": changed}))
        elif not changed:
            self.stdout.write(f"{name} is {'paused already' if paused else 'not paused'}.")
        else:
            self.stdout.write(
                f"{name} is paused: none of its runs starts or continues." if paused else f"{name} goes on."
            )

    def _events(self, options: dict[str, Any]) -> None:
        found = queries.set_aside(define.find(options["name"]).name)[:_MOST_EVENTS]
        if options["json"]:
            self.stdout.write(json.dumps([_event_as_json(trigger) for trigger in found], indent=2))
            return
        self.stdout.write("\n".join(map(_event_line, found)) or "no event was set aside")

    def _retry(self, options: dict[str, Any]) -> None:
        job = define.find(options["name"])
        chosen = Trigger.objects.filter(schedule__job=job.name)
        if not options["all"]:
            changes = [name.removeprefix("change ") for name in options["id"] if name.startswith("change ")]
            numbers = [int(name) for name in changes if name.isdecimal()]
            chosen = chosen.filter(Q(event__webhook_id__in=options["id"]) | Q(change__in=numbers))
        ids = events.retry(chosen)
        if not ids:
            raise CommandError(f"no such event was set aside: manage.py job events {job.name} lists them")
        audit.record("job.events_retried", actor=ACTOR, subject=f"job {job.name}", events=len(ids))
        if options["json"]:
            self.stdout.write(json.dumps({"job": job.name, "events": len(ids)}))
        else:
            self.stdout.write(f"{job.name} will process {len(ids)} event{'' if len(ids) == 1 else 's'} again.")

    def _unknown(self, options: dict[str, Any]) -> None:
        job = define.find(options["name"]).name if options["name"] else ""
        found = queries.all_unknown_writes(job)[:_MOST_EVENTS]
        if options["json"]:
            self.stdout.write(json.dumps([_write_as_json(write) for write in found], indent=2))
            return
        self.stdout.write("\n".join(map(_write_line, found)) or "no write is unknown")

    def _decide(self, options: dict[str, Any]) -> None:
        if options["answer"] is not None and not options["happened"]:
            raise CommandError("only a write that happened has an --answer")
        try:
            answer = None if options["answer"] is None else json.loads(options["answer"])
        except ValueError as error:
            raise CommandError(f"--answer is not JSON: {error}") from error
        happened = options["happened"]
        done = writes.decide(options["id"], clock.now(), happened=happened, answer=answer, by=ACTOR)
        if options["json"]:
            self.stdout.write(json.dumps({"id": options["id"], "happened": happened, "run_goes_on": done.goes_on}))
            return
        words = "Its run goes on." if done.goes_on else "No run goes on now: none waits for it alone."
        self.stdout.write(f"{done.write} {'happened' if happened else 'did not happen'}. {words}")


def _tenants(job: Job, options: dict[str, Any]) -> QuerySet[Installation]:
    app = marketplace.find(options["app"])
    level = UserType.COMPANY if options["company"] else UserType.LOCATION
    if not options["all"] and level != job.level:
        raise CommandError(f"{job.name} runs for each {job.level.lower()}: give --{job.level.lower()} ID")
    tenant_id = None if options["all"] else options["location"] or options["company"]
    return installed.installations(job.level, app=app, tenant_id=tenant_id).select_related("app")


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
        return "no worker is running; the runs start when one does: manage.py serve worker-urgent worker"
    if not any(job.name in known for known in alive):
        return f"no running worker has loaded {job.name}; restart the workers, then the runs start"
    return None


def _as_json(job: Job, count: int, state: JobState | None) -> dict[str, Any]:
    every = None if job.every is None else job.every.total_seconds()
    return {
        "name": job.name,
        "title": job.title,
        "every_seconds": every,
        "times": job.times.text if job.times else "",
        "events": list(job.events),
        "lane": job.lane.value,
        "level": job.level.lower(),
        "schedules": count,
        "paused": bool(state and state.paused_at),
        "pause_reason": state.reason if state else "",
    }


def _line(job: Job, count: int, state: JobState | None) -> str:
    when = [f"every {job.every}"] if job.every else []
    when += [job.times.text] if job.times else []
    when += [f"on {event_type}" for event_type in job.events]
    tenants = f"{count} tenant{'' if count == 1 else 's'}"
    if job.every is None and job.times is None and job.events:
        tenants += " had one"  # a schedule begins with its first event
    paused = f"\n    PAUSED: {state.reason}" if state and state.paused_at else ""
    return f"{job.name:40} {', '.join(when) or 'on demand'}; {tenants}; {job.lane.value}\n    {job.title}{paused}"


def _event_as_json(trigger: Trigger) -> dict[str, Any]:
    return {
        "id": trigger.reference,
        "type": trigger.type,
        "tenant": trigger.schedule.tenant_id,
        "set_aside_at": trigger.set_aside_at.isoformat() if trigger.set_aside_at else None,
        "error_code": trigger.error_code,
        "error": trigger.error,
    }


def _event_line(trigger: Trigger) -> str:
    return f"{trigger.reference} {trigger.type} of {trigger.schedule.tenant_id}: {trigger.error}"


def _write_as_json(write: Write) -> dict[str, Any]:
    return {
        "id": write.pk,
        "job": write.schedule.job,
        "tenant": write.schedule.tenant_id,
        "operation": write.operation,
        "key": write.key,
        "request": write.request,
        "reason": write.reason,
        "sent_at": write.sent_at.isoformat(),
    }


def _write_line(write: Write) -> str:
    request = json.dumps(write.request, ensure_ascii=False)
    where = f"{write.schedule.job} for {write.schedule.tenant_id}"
    return f"{write.pk} {write} of {where}, sent at {write.sent_at:%Y-%m-%d %H:%M:%S}, {write.reason}: {request}"


def _outcome(scheduled: queries.ScheduleWithRun) -> str:
    run = scheduled.run
    if run is None:
        return f"{scheduled.schedule.tenant_id}: not started"
    said = queries.outcome(run) or f"{run.done} done"
    trouble = f": {run.error}" if run.error else ""
    return f"{scheduled.schedule.tenant_id}: {run.status}, {said}{trouble}"
