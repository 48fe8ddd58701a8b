"""`manage.py alerts`: list the alerts of operators, send a test, mute one alert."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.console.alerts import alert_channels, watch
from integrations.console.doctor.findings import Level
from integrations.console.models import OperatorAlert
from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand

ACTOR = "command line"
_FIELDS = ("pk", "level", "key", "found", "fix", "since", "told_at", "muted_until")


class Command(PrintableCommand):
    """The command `alerts`."""

    help = "What operators are told by e-mail and webhook (ALERT_EMAILS, ALERT_WEBHOOK_URL)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the actions and their options."""
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="alerts that last, told or not")
        tested = actions.add_parser("test", help="send a test message to every channel")
        muted = actions.add_parser("mute", help="send no alert of it for some hours")
        muted.add_argument("number", type=int, help="as `list` shows it")
        muted.add_argument("--hours", type=int, default=24, help="24 unless given; 0 ends it")
        for action in (shown, tested, muted):
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the action."""
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = list(OperatorAlert.objects.exclude(level=Level.OK).values(*_FIELDS))
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2, default=str))
            return
        for row in rows:
            state = "told" if row["told_at"] else "not told yet"
            muted = f", muted until {row['muted_until']:%Y-%m-%d %H:%M} UTC" if row["muted_until"] else ""
            since = f"since {row['since']:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"{row['pk']}  {row['level']} {since}, {state}{muted}: {row['found']}")
        if not rows:
            self.stdout.write(
                "no alerts" if alert_channels.configured() else "no channel is set: alerts are not looked for"
            )

    def _test(self, options: dict[str, Any]) -> None:
        if not alert_channels.configured():
            raise CommandError("no channel is set: set ALERT_EMAILS and ALERT_SMTP_URL, or ALERT_WEBHOOK_URL")
        outcomes = alert_channels.test(actor=ACTOR)
        if options["json"]:
            self.stdout.write(json.dumps(outcomes, indent=2))
        else:
            for name, trouble in outcomes.items():
                self.stdout.write(f"{name}: {trouble or 'took it'}")
        if any(outcomes.values()):
            raise CommandError("not every channel took it")

    def _mute(self, options: dict[str, Any]) -> None:
        until = clock.now() + timedelta(hours=options["hours"]) if options["hours"] > 0 else None
        if not watch.mute(options["number"], until, actor=ACTOR):
            raise CommandError(f"there is no alert {options['number']}: `manage.py alerts list` shows them")
        result = {"muted": options["number"], "until": until and until.isoformat()}
        words = f"muted until {until:%Y-%m-%d %H:%M} UTC" if until else "told again"
        self.stdout.write(json.dumps(result) if options["json"] else words)
