"""`manage.py records`: the synced records for other programs: change feeds, exports, typed views.

`stub` renews the types of `records` in `hlapp.api` from the catalogue.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from integrations.core import audit, clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.sync.export import bi_views, parts
from integrations.sync.export.file_formats import WRITERS
from integrations.sync.feed import change_feed
from integrations.sync.feed.change_feed import ChangeFeed
from integrations.sync.history import shown
from integrations.sync.models import FeedPosition, Record
from integrations.sync.resources import RESOURCES
from integrations.sync.typed import stub_text
from integrations.tenants import marketplace

ACTOR = "manage.py records"
MOST_CHANGES = 1_000  # of a record that are shown


class Command(PrintableCommand):
    """The command `records`."""

    help = "The synced records for other programs: change feeds, exports, typed views."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="write what changed since the last export as files of a directory")
        export.add_argument("resource", choices=sorted(RESOURCES), metavar="RESOURCE")
        export.add_argument("--to", type=Path, required=True, metavar="DIR")
        export.add_argument("--format", choices=sorted(WRITERS), default="jsonl", dest="form")
        export.add_argument(
            "--consumer", default="export", help="whose position in the change feed; export unless given"
        )
        export.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        export.add_argument("--restart", action="store_true", help="all records again")
        export.add_argument("--open", action="store_true", help="decrypt the fields that SEALED_FIELDS names")
        feed = verbs.add_parser("feed", help="the consumers of change feeds; let them begin again")
        feed.add_argument("--rebase", action="store_true", help="all of them, in another database server")
        feed.add_argument("--restart", metavar="CONSUMER", help="this one, in all its resources")
        history = verbs.add_parser("history", help="what changed in one record, when, and what showed it")
        history.add_argument("resource", choices=sorted(RESOURCES), metavar="RESOURCE")
        history.add_argument("id")
        history.add_argument("--location", metavar="ID", required=True)
        history.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
        history.add_argument("--json", action="store_true", help="print the changes as JSON")
        views = verbs.add_parser("views", help="write a schema of typed views for BI tools anew")
        views.add_argument("--schema", default="bi")
        verbs.add_parser("stub", help="write the types of the synced records anew, from the catalogue")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what the verb says."""
        verbs = {
            "export": self._export,
            "feed": self._feed,
            "history": self._history,
            "views": self._views,
            "stub": self._stub,
        }
        try:
            verbs[options["verb"]](options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _export(self, options: dict[str, Any]) -> None:
        app, resource, consumer = marketplace.find(options["app"]), options["resource"], options["consumer"]
        if options["restart"]:
            ChangeFeed(app, consumer, resource).restart()
        rows = 0
        sealed = not options["open"]
        for part in parts.export(app, consumer, resource, form=options["form"], folder=options["to"], sealed=sealed):
            rows += part.rows
            self.stdout.write(f"{part.path}: {part.rows:,} changes")
        audit.record(
            "records.exported",
            actor=ACTOR,
            subject=f"app:{app.highlevel_id}",
            resource=resource,
            rows=rows,
            opened=not sealed,
        )
        self.stdout.write(f"{rows:,} changes of {resource} for {consumer}")

    def _feed(self, options: dict[str, Any]) -> None:
        if options["restart"]:
            restarted = change_feed.restart(options["restart"])
            self.stdout.write(f"{options['restart']} begins again in {restarted} resources")
        if options["rebase"]:
            self.stdout.write(f"{change_feed.rebase()} consumers begin again")
        for row in FeedPosition.objects.order_by("consumer", "resource"):
            self.stdout.write(
                f"{row.consumer:24}{row.resource:24}{row.delivered:>12,} changes  read {row.read_at:%F %T}"
            )

    def _history(self, options: dict[str, Any]) -> None:
        mine = {"location_id": options["location"], "resource": options["resource"], "record_id": options["id"]}
        record = Record.objects.filter(app=marketplace.find(options["app"]), **mine).first()
        if record is None:
            raise CommandError("there is no such record in the copy")
        found = shown.of(record, clock.now(), masked=False, most=MOST_CHANGES)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in found], indent=2, default=str, ensure_ascii=False))
            return
        for change in found:
            writers = "".join(f"; after {one.words}" for one in change.writers)
            self.stdout.write(f"{change.at:%Y-%m-%d %H:%M:%S} {change.what}, shown by {change.source}{writers}")
            for place in change.differences:
                self.stdout.write(f"    {place.path}: {place.was or '–'} → {place.became or '–'}")

    def _views(self, options: dict[str, Any]) -> None:
        names = bi_views.renew(options["schema"])
        self.stdout.write(f"{len(names)} views in {options['schema']}: {', '.join(names)}")

    def _stub(self, _: dict[str, Any]) -> None:
        stub_text.FILE.write_text(stub_text.text(), encoding="utf-8")
        self.stdout.write(f"wrote {stub_text.FILE.name}")
