"""`manage.py exports`: ask for exports and schedules as the page does, steer them, and save their files."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, IntegrationError
from integrations.exports import asking, saving, steering
from integrations.exports.asking import DAILY, DAYS, ONCE, WEEKLY, ExportRequest
from integrations.exports.models import Export, Run
from integrations.tenants import marketplace

ACTOR = "manage.py exports"
_MOST = 1_000  # exports that are listed
_FIRST_LETTERS = 3  # of a day's name


class Command(PrintableCommand):
    """The command `exports`."""

    help = "Files of the synced copy, once or by schedule: ask for one, steer it, save what it wrote."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the verbs and their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true", help="print the result as JSON")
        verbs = parser.add_subparsers(dest="verb", required=True)
        start = verbs.add_parser("start", parents=[common], help="ask for an export, once or by schedule")
        start.add_argument("resources", nargs="+", metavar="RESOURCE")
        start.add_argument("--format", choices=Export.Form.values, default=Export.Form.CSV, dest="form")
        start.add_argument("--location", metavar="ID", action="append", default=[], help="may be repeated; else all")
        times = start.add_mutually_exclusive_group()
        times.add_argument("--daily", metavar="HH:MM", help="every day at this time in UTC")
        times.add_argument("--weekly", metavar="DAY@HH:MM", help="every week, such as mon@06:30, in UTC")
        start.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        verbs.add_parser("list", parents=[common], help="exports and schedules, the newest first")
        for verb, words in _VERBS.items():
            verbs.add_parser(verb, parents=[common], help=words).add_argument("id", type=int)
        save = verbs.add_parser("save", parents=[common], help="write the files of the latest complete run")
        save.add_argument("id", type=int)
        save.add_argument("--to", type=Path, required=True, metavar="DIR")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what the verb says."""
        named = {"start": self._start, "list": self._list, "save": self._save}
        try:
            named.get(options["verb"], self._steer)(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _start(self, options: dict[str, Any]) -> None:
        repeat, at, day = _times(options)
        request = ExportRequest(
            app=marketplace.find(options["app"]),
            resources=options["resources"],
            form=options["form"],
            locations=options["location"],
            repeat=repeat,
            at=at,
            day=day,
        )
        export = asking.ask(request, clock.now(), actor=ACTOR)
        text = (
            f"{_text(export, None)}\nThe workers make it: `manage.py exports save {export.pk} --to DIR` has its files."
        )
        self._print(options, _as_json(export, None), text)

    def _list(self, options: dict[str, Any]) -> None:
        found = list(Export.objects.order_by("-pk")[:_MOST])
        latest = Export.objects.filter(pk__in=[one.pk for one in found]).latest_runs()
        rows = [(one, latest.get(one.pk)) for one in found]
        text = "\n".join(_text(*row) for row in rows) or "There is none: `manage.py exports start RESOURCE` makes one."
        self._print(options, [_as_json(*row) for row in rows], text)

    def _steer(self, options: dict[str, Any]) -> None:
        export, verb, now = _find(options["id"]), options["verb"], clock.now()
        rows = Export.objects.filter(pk=export.pk)
        changed = {
            "run": lambda: steering.run_now(rows, now, actor=ACTOR),
            "pause": lambda: steering.pause(rows, actor=ACTOR),
            "resume": lambda: steering.go_on(rows, now, actor=ACTOR),
            "cancel": lambda: steering.cancel_run(rows, now, actor=ACTOR),
            "restart": lambda: steering.begin_again(rows, actor=ACTOR),
            "remove": lambda: steering.remove(rows, actor=ACTOR),
        }[verb]()
        if not changed:
            raise BadRequest(f"export {export.pk} cannot {verb} now: {_WHY[verb]}")
        self._print(options, {"id": export.pk, "done": verb}, f"Export {export.pk}: {verb} is done.")

    def _save(self, options: dict[str, Any]) -> None:
        export, folder, now = _find(options["id"]), options["to"], clock.now()
        run = Run.objects.filter(export=export, status=Run.Status.COMPLETE).order_by("-pk").first()
        if run is None:
            raise BadRequest(
                f"export {export.pk} has no complete run yet: `manage.py exports list` shows how far it is"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written = saving.save(run, folder, now, actor=ACTOR)
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}") from error
        if not written and run.rows:
            raise BadRequest("its files have expired (EXPORT_RETENTION_DAYS): `manage.py exports run` makes new ones")
        self._print(options, [str(one) for one in written], "\n".join(map(str, written)) or "It has no rows.")

    def _print(self, options: dict[str, Any], found: Any, text: str) -> None:
        self.stdout.write(json.dumps(found, indent=2, default=str) if options["json"] else text)


_VERBS = {
    "run": "run it now",
    "pause": "start no run of a schedule",
    "resume": "go on with a paused one",
    "cancel": "end its run; the files stay",
    "restart": "let the next run of a schedule have all records",
    "remove": "delete it with its runs and files",
}
_WHY = {
    "run": "it is paused",
    "pause": "it is no schedule, or paused already",
    "resume": "it is not paused",
    "cancel": "no run is under way",
    "restart": "it is no schedule, so each run has all records",
    "remove": "it is gone",
}


def _find(number: int) -> Export:
    export = Export.objects.filter(pk=number).first()
    if export is None:
        raise BadRequest(f"there is no export {number}: `manage.py exports list` shows them")
    return export


def _times(options: dict[str, Any]) -> tuple[str, str, int]:
    """How it is repeated, the time of day and the day of the week. Raises BadRequest for a day that there is not."""
    if options["daily"]:
        return DAILY, options["daily"], 0
    if not options["weekly"]:
        return ONCE, "00:00", 0
    name, _, at = options["weekly"].partition("@")
    known = [day[:_FIRST_LETTERS].lower() for day in DAYS]
    if name[:_FIRST_LETTERS].lower() not in known or not at:
        raise BadRequest("--weekly takes a day and a time in UTC, such as mon@06:30")
    return WEEKLY, at, known.index(name[:_FIRST_LETTERS].lower())


def _as_json(export: Export, run: Run | None) -> dict[str, Any]:
    return {
        "id": export.pk,
        "resources": export.resources,
        "locations": export.locations,
        "format": export.form,
        "times": asking.words(export),
        "paused": not export.enabled,
        "due_at": export.due_at,
        "made_by": export.made_by,
        "run": None if run is None else {"id": run.pk, "status": run.status, "rows": run.rows, "error": run.error},
    }


def _text(export: Export, run: Run | None) -> str:
    where = ", ".join(export.locations[:3]) if export.locations else "all locations"
    more = f" and {len(export.locations) - 3} more" if len(export.locations) > 3 else ""
    state = "" if export.enabled else ", paused"
    latest = "not run yet" if run is None else f"{run.status}, {run.rows:,} rows"
    what = ", ".join(export.resources)
    return f"export {export.pk}: {what} of {where}{more} as {export.form}, {asking.words(export)}{state}: {latest}"
