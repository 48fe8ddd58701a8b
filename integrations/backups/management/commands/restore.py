"""`manage.py restore FILE`: fills an empty database and the spool from a backup, and marks every token to be proven."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.backups import load, proof, restored_calls, restored_tokens, spool_entries
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError

ACTOR = "command line"


class Command(PrintableCommand):
    """The command `restore`."""

    help = "Restore a backup into the empty database of DATABASE_URL. Start web, workers and beat afterwards."
    requires_system_checks = ()  # some of them read tables

    def add_arguments(self, parser: CommandParser) -> None:
        """Define what to restore."""
        parser.add_argument("file", nargs="?", type=Path, help="a backup, or a directory: its newest")
        parser.add_argument("--replace", action="store_true", help="delete all tables of the database first")
        parser.add_argument("--prove", action="store_true", help="refresh every token now; workers do it otherwise")
        parser.add_argument("--tokens-only", action="store_true", help="the database was restored by other means")
        parser.add_argument("--report", action="store_true", help="only list what became of the tokens since a restore")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Restore, prove, and report. Raises CommandError with one line when that fails."""
        if [options["file"] is not None, options["tokens_only"], options["report"]].count(True) != 1:
            raise CommandError(
                "say what to restore: restore FILE; or restore --tokens-only; or restore --report after one"
            )
        faults: list[str] = []
        try:
            if options["file"] is not None:
                faults = self._restore(load.newest(options["file"]), replace=options["replace"])
            elif options["tokens_only"]:
                self._hold_calls(made_at=None)
                restored_tokens.mark_unproven("the database", actor=ACTOR, made_at=None)
            if options["prove"] and not options["report"]:
                restored_tokens.prove_now()
            self._report(as_json=options["json"])
        except (IntegrationError, *spool_entries.FAILURES) as error:
            raise CommandError(str(error)) from None
        if faults:
            raise CommandError("restored, and does not fit: " + "; ".join(faults[:5]))

    def _restore(self, path: Path, *, replace: bool) -> list[str]:
        """Returns what does not fit."""
        loaded = load.load(path, replace=replace)
        spool_entries.put_back(loaded.spool)
        found = proof.prove(loaded)
        self._hold_calls(made_at=loaded.made_at)
        restored_tokens.mark_unproven(path.name, actor=ACTOR, made_at=loaded.made_at)
        self.stderr.write(
            f"{found.rows} rows as of {loaded.made_at:%Y-%m-%d %H:%M} UTC, {len(loaded.spool)} of the spool"
        )
        return found.faults

    def _hold_calls(self, *, made_at: datetime | None) -> None:
        held = restored_calls.hold(actor=ACTOR, made_at=made_at)
        if held.entries:
            self.stderr.write(f"{held.entries} calls of the outbox may have been made since: decide about them")
        if held.jobs:
            self.stderr.write(f"paused, because they would repeat what they did since: {', '.join(held.jobs)}")

        if held.upserts:
            numbers = ", ".join(map(str, held.upserts))
            self.stderr.write(f"bulk upserts that were stopped, because they may have sent rows since: {numbers}")

    def _report(self, *, as_json: bool) -> None:
        found = restored_tokens.report()
        if as_json:
            counts = {"proven": found.proven, "waiting": found.waiting, "entered": found.entered}
            self.stdout.write(json.dumps(counts | {"reconnect": found.reconnect}))
            return
        self.stdout.write(
            f"{found.proven} tokens are proven, {found.waiting} wait for a worker, {found.entered} do not rotate."
        )
        for tenant, reason in found.reconnect.items():
            self.stdout.write(f"{tenant} needs to reconnect: {reason}")
