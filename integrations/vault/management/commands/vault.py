"""`manage.py vault status|rotate`: which key holds what, and re-sealing under the newest key while all else goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.core.errors import SealBroken
from integrations.vault import rotation, screen, status
from integrations.vault.interrupt import Interrupt

INTERRUPTED = 130
_SHOWN = 20  # broken values that are listed for a person; --json lists them all


class Command(BaseCommand):
    help = "The keys that seal the stored secrets: what each one holds, and re-sealing under the newest."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        helps = {
            "status": "count the sealed values of each key; exits 1 when one is missing, wrong or a value is damaged",
            "rotate": "re-seal under the newest key; may be stopped and run again, and needs no downtime",
        }
        for name, text in helps.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        act: dict[str, Callable[[bool], None]] = {"status": self._status, "rotate": self._rotate}
        try:
            act[options["action"]](options["json"])
        except SealBroken as error:
            raise CommandError(str(error)) from None

    def _status(self, as_json: bool) -> None:
        found = status.examine()
        self.stdout.write(json.dumps(asdict(found), indent=2) if as_json else screen.table(found, self.stdout))
        if found.problems:
            raise CommandError("; ".join(found.problems))

    def _rotate(self, as_json: bool) -> None:
        total = rotation.stale()
        bar: AbstractContextManager[Callable[[int], None]] = screen.bar(total, show=bool(total) and not as_json)
        with Interrupt() as interrupt, bar as advance:
            watcher = rotation.Watcher(batch_done=advance, stop=interrupt.asked)
            outcome = rotation.run(actor="command line", watcher=watcher)
        left = rotation.stale()
        self.stdout.write(json.dumps({**asdict(outcome), "left": left}, indent=2) if as_json else _words(outcome, left))
        if outcome.stopped:
            raise CommandError(
                f"stopped, {left} values left: `manage.py vault rotate` goes on from here", returncode=INTERRUPTED
            )
        _judge(outcome)


def _words(outcome: rotation.Outcome, left: int) -> str:
    lines = [f"{outcome.resealed} values re-sealed under {outcome.key_id!r}, {left} left under older keys."]
    lines += [f"does not open: {broken}" for broken in outcome.broken[:_SHOWN]]
    if len(outcome.broken) > _SHOWN:
        lines.append(f"… and {len(outcome.broken) - _SHOWN} more (--json lists all)")
    return "\n".join(lines)


def _judge(outcome: rotation.Outcome) -> None:
    if outcome.broken:
        raise CommandError(f"{len(outcome.broken)} values do not open and were left as they are")
    if outcome.busy:
        raise CommandError(f"{outcome.busy} values were being written all the time: run it again")
