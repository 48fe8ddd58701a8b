"""`manage.py replay`: process stored webhooks again."""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest
from integrations.webhooks import retention
from integrations.webhooks.replay import Selection, replay, select

_AGO = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Parse ISO 8601 (UTC unless it says otherwise), or a time span ago: 30m, 2h, 7d."""
    if ago := _AGO.fullmatch(text):
        return clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a date nor something like 30m, 2h or 7d") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Command(PrintableCommand):
    """`manage.py replay`."""

    help = "Process stored webhooks again, in order. At least one of --id, --since and --type says which."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options that select events."""
        parser.add_argument("--id", action="append", default=[], help="webhook id or row number; repeatable")
        parser.add_argument("--since", type=moment, help="received since: a date in ISO 8601, or 30m, 2h, 7d ago")
        parser.add_argument("--type", action="append", default=[], help="event type; repeatable")
        parser.add_argument("--location", default="", help="only this location's events")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, **options: Any) -> None:
        """Replay the selected events and print how many."""
        selection = Selection(
            ids=tuple(options["id"]),
            types=tuple(options["type"]),
            since=options["since"],
            location=options["location"],
        )
        try:
            done = replay(select(selection), actor="command line", **_words(selection))
        except BadRequest as error:
            raise CommandError(f"{error} (--id, --type, --since)") from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"the database is unavailable ({type(error).__name__}): nothing was replayed") from error
        if selection.ids and not done.events:
            raise CommandError(f"no such event is stored here: settled ones are kept for {_kept()}")
        if since := _gone_before(selection):
            self.stderr.write(
                f"settled events from before {since:%Y-%m-%d %H:%M} UTC are gone: they are kept for {_kept()}"
            )
        self.stdout.write(
            json.dumps({"events": done.events, "mailboxes": len(done.mailboxes)})
            if options["json"]
            else f"{done.events} events in {len(done.mailboxes)} mailboxes will be processed again"
        )


def _gone_before(selection: Selection) -> datetime | None:
    """The time since which all events are kept, when the selection reaches back further; else None."""
    kept_since = retention.kept_since(clock.now())
    return kept_since if selection.since and selection.since < kept_since else None


def _kept() -> str:
    return f"{settings.WEBHOOK_RETENTION_DAYS} days (WEBHOOK_RETENTION_DAYS)"


def _words(selection: Selection) -> dict[str, Any]:
    return {
        "ids": list(selection.ids),
        "types": list(selection.types),
        "since": selection.since.isoformat() if selection.since else None,
        "location": selection.location,
    }
