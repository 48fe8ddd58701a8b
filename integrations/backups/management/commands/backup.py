"""`manage.py backup DIR` writes an encrypted backup; `backup verify FILE` proves one in a database of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.backups import load, make, proof
from integrations.backups.scratch_database import drop_leftovers, scratch_database
from integrations.core import audit, clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError

ACTOR = "command line"
_MEGABYTE = 10**6


class Command(PrintableCommand):
    """The command `backup`."""

    help = "Write a backup of database and spool into DIR, encrypted with BACKUP_KEY; `backup verify FILE` proves one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define what to write or verify."""
        parser.add_argument("what", nargs="+", metavar="DIR | verify FILE", help="FILE may be a directory: its newest")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write or verify. Raises CommandError with one line when that fails."""
        try:
            match options["what"]:
                case ["verify", file]:
                    self._verify(load.newest(Path(file)), as_json=options["json"])
                case [directory] if directory != "verify":
                    self._make(Path(directory), as_json=options["json"])
                case _:
                    raise CommandError("say where to: backup DIR, or what to verify: backup verify FILE")
        except IntegrationError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'the backup'}: {error.strerror}") from None

    def _make(self, directory: Path, *, as_json: bool) -> None:
        drop_leftovers()
        made = make.make(directory, actor=ACTOR)
        shown = {"file": str(made.path), "tables": made.tables, "rows": made.rows, "bytes": made.size}
        words = f"{made.path}: {made.rows} rows of {made.tables} tables, {made.size / _MEGABYTE:.1f} MB.\n"
        words += "It has no keys: keep VAULT_KEYS and BACKUP_KEY elsewhere."
        self.stdout.write(json.dumps(shown | {"sha256": made.sha256}) if as_json else words)

    def _verify(self, path: Path, *, as_json: bool) -> None:
        began = clock.monotonic()
        with scratch_database():
            loaded = load.load(path)
            found = proof.prove(loaded)
        seconds = clock.monotonic() - began
        opened = sum(found.opened.values())
        outcome = {"rows": found.rows, "opened": opened, "audit_entries": found.entries, "faults": found.faults}
        audit.record("backup.verified", actor=ACTOR, subject=path.name, opened=opened, faults=len(found.faults))
        words = f"{path.name} of {loaded.made_at:%Y-%m-%d %H:%M} UTC restores in {seconds:.1f} s: {found.rows} rows, "
        words += f"{opened} sealed values opened, {found.entries} audit entries."
        shown = {"file": str(path), "made_at": loaded.manifest["made_at"], "seconds": round(seconds, 1), **outcome}
        self.stdout.write(json.dumps(shown) if as_json else words)
        if found.faults:
            raise CommandError("the backup does not fit: " + "; ".join(found.faults[:5]))
