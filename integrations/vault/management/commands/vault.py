"""`manage.py vault status|rotate|forget`: counts values by key, re-seals them, deletes those of a lost key.

`misfits` lists rows that do not fit their MAC, `discard` puts those away, `sign` signs rows as they are.

`status` and `forget` also run while a missing key keeps every other process from starting.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, SealBroken
from integrations.vault import forget, rotation, row_macs, screen, signed_tables, status
from integrations.vault.interrupt import Interrupt

INTERRUPTED = 130
_OPTIONS = ("key_id", "yes", "reason", "table", "id")
_SHOWN = 20  # broken values that are listed for a person; --json lists them all


class Command(PrintableCommand):
    """`manage.py vault`."""

    help = "The keys that seal the stored secrets: count, re-seal under the newest key, delete what a lost key sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands and their options."""
        actions = parser.add_subparsers(dest="action", required=True)
        helps = {
            "status": "count the sealed values of each key; exits 1 when one is missing, wrong or a value is damaged",
            "rotate": "re-seal under the newest key; may be stopped and run again, and needs no downtime",
            "misfits": "list the rows that make workers act and that this application did not write like this",
            "sign": "sign each row that makes workers act as it is now, because you know that it is right",
            "discard": "put rows away that `misfits` lists, because another program wrote them",
            "forget": "delete all that a lost key sealed: the tokens are minted again, or tenants must reconnect",
        }
        for name, text in helps.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("--json", action="store_true", help="print the result as JSON")
            if name in ("sign", "discard"):
                action.add_argument("--reason", required=True, metavar="TEXT", help="for the audit trail")
            if name == "discard":
                action.add_argument("--table", required=True, metavar="NAME", help="such as webhooks.Event")
                action.add_argument("--id", action="append", metavar="ID", help="only this row; repeatable")
            if name == "forget":
                action.add_argument("key_id", metavar="KEY_ID", help="of a key that is not in VAULT_KEYS")
                action.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        act: dict[str, Callable[..., None]] = {"status": self._status, "rotate": self._rotate, "forget": self._forget}
        act |= {"misfits": self._misfits, "sign": self._sign, "discard": self._discard}
        try:
            act[options["action"]](as_json=options["json"], **{k: options[k] for k in _OPTIONS if k in options})
        except (SealBroken, BadRequest) as error:
            raise CommandError(str(error)) from None

    def _status(self, *, as_json: bool) -> None:
        found = status.examine()
        self.stdout.write(json.dumps(asdict(found), indent=2) if as_json else screen.table(found, self.stdout))
        if found.problems:
            raise CommandError("; ".join(found.problems))

    def _rotate(self, *, as_json: bool) -> None:
        total = rotation.stale()
        with _watched(total, doing="re-sealing", show=not as_json) as watcher:
            outcome = rotation.run(actor="command line", watcher=watcher)
        left = rotation.stale()
        self.stdout.write(json.dumps({**asdict(outcome), "left": left}, indent=2) if as_json else _words(outcome, left))
        if outcome.stopped:
            raise CommandError(
                f"stopped, {left} values left: `manage.py vault rotate` goes on from here", returncode=INTERRUPTED
            )
        _raise_for(outcome)

    def _forget(self, *, as_json: bool, key_id: str, yes: bool) -> None:
        counts = forget.values_under(key_id)
        if counts and not yes:
            self._confirm(key_id, counts)
        with _watched(_rows(counts), doing="deleting", show=not as_json) as watcher:
            outcome = forget.run(key_id, actor="command line", watcher=watcher)
        self.stdout.write(json.dumps(asdict(outcome), indent=2) if as_json else _deleted(outcome))
        if outcome.stopped:
            raise CommandError(f"stopped, {outcome.left} values left: run it again", returncode=INTERRUPTED)
        if outcome.unread:
            raise CommandError(f"not everything could be read: {'; '.join(outcome.unread)}: run it again")
        if outcome.left:
            raise CommandError(
                f"{outcome.left} values are left, because other transactions were writing their rows: run it again"
            )

    def _sign(self, *, as_json: bool, reason: str) -> None:
        counts = signed_tables.vouch(actor="command line", reason=reason)
        signed_tables.examine()
        words = [f"{label}: {count} rows signed" for label, count in counts.items()] or [
            "every row fits: none was signed"
        ]
        self.stdout.write(json.dumps(counts, indent=2) if as_json else "\n".join(words))

    def _misfits(self, *, as_json: bool) -> None:
        tables = {} if row_macs.trusted_until() else signed_tables.misfit_rows()
        found = {label: [(row.pk, str(row)) for row in rows] for label, rows in tables.items()}
        rows = [{"table": label, "id": pk, "what": what} for label, each in found.items() for pk, what in each]
        words = [f"{row['table']} {row['id']}: {row['what']}" for row in rows] or ["every row fits its MAC"]
        self.stdout.write(json.dumps(rows, indent=2) if as_json else "\n".join(words))

    def _discard(self, *, as_json: bool, table: str, id: list[str] | None, reason: str) -> None:  # noqa: A002 - option
        keys = id or [row.pk for row in signed_tables.misfits_of(table)]
        try:
            gone = signed_tables.discard(table, keys, actor="command line", reason=reason)
        except ValueError as error:
            raise CommandError(f"--id: {error}") from None
        signed_tables.examine()
        words = f"{table}: {len(gone)} rows discarded"
        self.stdout.write(json.dumps({"table": table, "discarded": gone}, indent=2) if as_json else words)
        if id is not None and len(gone) < len(set(id)):
            raise CommandError(f"{len(set(id)) - len(gone)} rows fit their MAC, or are not there: they were left")

    def _confirm(self, key_id: str, sealed: dict[str, int]) -> None:
        """Ask for confirmation on standard error, so that --json prints JSON only."""
        counts = ", ".join(f"{count} in {label}" for label, count in sealed.items())
        self.stderr.write(
            f"The key {key_id!r} sealed {counts}. Without it they cannot be opened; they will be deleted."
        )
        self.stderr.write("If the key is found later, it will open nothing. Type the key id to go on: ", ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != key_id:
            raise CommandError("nothing was changed: that is not the key id (--yes does not ask)")


@contextmanager
def _watched(total: int, *, doing: str, show: bool) -> Iterator[rotation.Watcher]:
    """Show a progress bar, and let the first Ctrl-C stop between two batches."""
    with Interrupt() as interrupt, screen.bar(total, doing=doing, show=show and bool(total)) as advance:
        yield rotation.Watcher(batch_done=advance, stop=interrupt.asked)


def _rows(sealed: dict[str, int]) -> int:
    """How many rows have these values: a model's columns are emptied together."""
    models: dict[str, int] = {}
    for label, count in sealed.items():
        model = label.rpartition(".")[0]
        models[model] = max(count, models.get(model, 0))
    return sum(models.values())


def _deleted(outcome: forget.ForgetResult) -> str:
    ends = [f"{label}: {n} {end}" for label, counts in outcome.ends.items() for end, n in counts.items()]
    return "\n".join(ends) or f"nothing is sealed by the key {outcome.key_id!r}."


def _words(outcome: rotation.RotationResult, left: int) -> str:
    lines = [f"{outcome.resealed} values re-sealed under {outcome.key_id!r}, {left} left under older keys."]
    lines += [f"cannot be decrypted: {broken}" for broken in outcome.broken[:_SHOWN]]
    if len(outcome.broken) > _SHOWN:
        lines.append(f"… and {len(outcome.broken) - _SHOWN} more (--json lists all)")
    return "\n".join(lines)


def _raise_for(outcome: rotation.RotationResult) -> None:
    if outcome.broken:
        raise CommandError(f"{len(outcome.broken)} values cannot be decrypted and were left as they are")
    if outcome.unread:
        raise CommandError(f"not everything could be reached: {'; '.join(outcome.unread)}: run it again")
    if outcome.busy:
        raise CommandError(f"the rows of {outcome.busy} values stayed locked by other transactions: run it again")
