"""`manage.py problems`: failures by cause over all tenants; call one fixed, or mute it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.ages import relative
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.problems import decisions, queries
from integrations.problems.models import Problem

ACTOR = "manage.py problems"
_MOST = 1_000


class Command(PrintableCommand):
    """The command `problems`."""

    help = "Failures of one cause, over all tenants: the open ones, the latest first."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the actions and their options."""
        actions = ("list", "show", "fix", "mute", "reopen")
        parser.add_argument("action", nargs="?", choices=actions, default="list", help="list unless given")
        parser.add_argument("number", nargs="?", type=int, help="of the problem, as `list` shows it")
        parser.add_argument("--state", choices=[*queries.STATES, "all"], default="open", help="open unless given")
        parser.add_argument("--tenant", metavar="ID", help="only those of this location or company")
        parser.add_argument("--hours", type=int, default=24, help="how long to mute; 24 unless given, 0 ends it")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the action."""
        now, action = clock.now(), options["action"]
        if action == "list":
            found = (
                queries.in_state(options["state"], now).select_related("assignee", "app").order_by("-last_seen", "-pk")
            )
            if options["tenant"]:
                found = found.filter(affected__tenant_id=options["tenant"])
            self._print(found[:_MOST], options)
            return
        row = Problem.objects.filter(pk=options["number"])
        if not row:
            raise CommandError(f"there is no problem {options['number']}: `manage.py problems --state all` shows them")
        if action == "fix":
            decisions.fix(row, now, by=ACTOR)
        elif action == "mute":
            decisions.mute(row, now + timedelta(hours=options["hours"]), by=ACTOR)
        elif action == "reopen":
            decisions.reopen(row, now, by=ACTOR)
        self._print(Problem.objects.filter(pk=options["number"]), options)

    def _print(self, problems: Any, options: dict[str, Any]) -> None:
        now = clock.now()
        rows = queries.as_json(problems, now)
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for problem, row in zip(problems, rows, strict=True):
            seen = f"last {relative(problem.last_seen, now)}, first {relative(problem.first_seen, now)}"
            owner = f", {row['assignee']} has it" if row["assignee"] else ""
            self.stdout.write(f"{problem.pk}  {problem}  ({row['state']}{owner})")
            self.stdout.write(f"    {problem.extent}, {seen}")
            for label, value in (("", problem.words), ("trace ids: ", " ".join(row["trace_ids"][:3]))):
                if value:
                    self.stdout.write(f"    {label}{value}")
        if not rows:
            self.stdout.write("no such problem")
