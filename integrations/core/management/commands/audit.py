"""`manage.py audit`: verify the audit trail, list exported heads, prune it, seal it anew, accept explained flaws.

`verify` compares every entry with its seal, the sealed head, and the heads that were exported: those that the database
remembers, those in `AUDIT_HEAD_FILE`, and those in each file after `--heads`, which may be a log. It lists the entries
that fail (the first 20; all with `--json`), and ends with status 1. The other actions verify with the same heads first.
`core.audit` says what that proves.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from integrations.core import clock
from integrations.core.audit import exported_heads, maintenance, verification
from integrations.core.audit.exported_heads import ExportedHead
from integrations.core.audit.verification import Examination, Flaw
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.models import AuditEntry, AuditHeadExport

ACTOR = "command line"
_SHOWN = 20  # flaws and exports that are listed for a person; --json lists them all


class Command(PrintableCommand):
    """The command `audit`."""

    help = "The audit trail. `verify` checks every entry, the sealed head and exported heads."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the actions and their options."""
        actions = parser.add_subparsers(dest="action", required=True)
        helps = {
            "verify": "check all entries; exits 1 and names those that fail",
            "heads": "list the exported heads",
            "prune": "delete old entries, in a way that the rest still verifies",
            "reseal": "seal an entry with the newest key, so that older ones can leave VAULT_KEYS",
            "accept": "record that the flaws which verify finds now are known, such as after a restored backup",
        }
        added = {name: actions.add_parser(name, help=text) for name, text in helps.items()}
        for action in added.values():
            action.add_argument("--json", action="store_true", help="print the result as JSON")
        kept = "the hash of a head that you noted earlier; fails if the trail lacks it"
        added["verify"].add_argument("--kept", metavar="HASH", help=kept)
        heads = "a file of exported heads, or a log that has them; may be given several times"
        for name in helps.keys() - {"heads"}:
            added[name].add_argument("--heads", metavar="FILE", action="append", default=[], help=heads)
        added["prune"].add_argument("--keep-days", type=int, required=True, metavar="DAYS", help="at least 30")
        added["accept"].add_argument("--reason", required=True, help="what happened, for those who read the trail")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the action."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except (BadRequest, SealBroken) as error:
            raise CommandError(str(error)) from None

    def _verify(self, options: dict[str, Any]) -> None:
        found = verification.examine(self._heads_outside(options))
        self.stdout.write(json.dumps(_as_json(found), indent=2) if options["json"] else _text(found))
        if found.failures:
            raise CommandError(f"the audit trail is broken: {_first(found)}")
        if options["kept"] and not AuditEntry.objects.filter(hash=_hash_from_hex(options["kept"])).exists():
            raise CommandError(f"the audit trail lacks {options['kept']}: its end was cut off, or it was rewritten")

    def _heads_outside(self, options: dict[str, Any]) -> list[ExportedHead]:
        files, configured = [*options["heads"]], settings.AUDIT_HEAD_FILE
        if configured and Path(configured).exists():
            files.append(configured)
        elif configured:
            self.stderr.write(f"AUDIT_HEAD_FILE is not there ({configured}): its heads were not compared")
        return [head for file in files for head in exported_heads.in_file(file)]

    def _heads(self, options: dict[str, Any]) -> None:
        rows = AuditHeadExport.objects.all()
        if options["json"]:
            listed = [
                {"exported_at": row.exported_at.isoformat(), "places": row.places, "trouble": row.trouble, **row.head}
                for row in rows
            ]
            self.stdout.write(json.dumps(listed, indent=2))
            return
        for row in rows[:_SHOWN]:
            trouble = f"  ({row.trouble})" if row.trouble else ""
            self.stdout.write(
                f"{row.exported_at:%Y-%m-%d %H:%M:%S}  entry {row.number}  {row.head['value']}  "
                f"{', '.join(row.places)}{trouble}"
            )
        if not rows:
            self.stdout.write("No head was exported yet: a worker does so every minute in which the trail has grown.")

    def _prune(self, options: dict[str, Any]) -> None:
        if options["keep_days"] < 30:
            raise CommandError("--keep-days should be at least 30")
        heads = self._heads_outside(options)
        done = maintenance.prune(clock.now() - timedelta(days=options["keep_days"]), actor=ACTOR, heads=heads)
        words = f"{done.entries} entries deleted; the trail begins after entry {done.up_to}."
        self.stdout.write(json.dumps({"deleted": done.entries, "up_to": done.up_to}) if options["json"] else words)

    def _reseal(self, options: dict[str, Any]) -> None:
        found = maintenance.reseal(actor=ACTOR, heads=self._heads_outside(options))
        self.stdout.write(json.dumps(_as_json(found), indent=2) if options["json"] else _text(found))
        if found.failures:
            raise CommandError(f"the audit trail is broken: {_first(found)}")

    def _accept(self, options: dict[str, Any]) -> None:
        found = maintenance.accept(options["reason"], actor=ACTOR, heads=self._heads_outside(options))
        count = len(found.failures)
        self.stdout.write(json.dumps({"accepted": count}) if options["json"] else f"{_flaws(count)} accepted.")


def _hash_from_hex(kept: str) -> bytes:
    try:
        return bytes.fromhex(kept)
    except ValueError:
        raise CommandError("--kept should be a hash that this command has printed") from None


def _first(found: Examination) -> str:
    first = found.failures[0]
    return f"the first failure is {first}"


def _as_json(found: Examination) -> dict[str, Any]:
    newest = found.newest
    return {
        "entries": found.entries,
        "first_broken": found.first_broken,
        "head": {"id": newest.pk, "number": newest.number, "at": newest.at.isoformat(), "hash": newest.hash.hex()}
        if newest
        else None,
        "flaws": [_flaw(one) for one in found.failures],
        "accepted": [_flaw(one) for one in found.flaws if one.is_accepted],
        "keys": dict(found.keys),
        "heads_compared": found.compared,
    }


def _flaw(one: Flaw) -> dict[str, Any]:
    return {"number": one.number, "id": one.entry, "what": one.what}


def _flaws(count: int) -> str:
    return f"{count} flaw{'' if count == 1 else 's'}"


def _text(found: Examination) -> str:
    newest = found.newest
    if newest is None and not found.failures:
        return "The audit trail is empty."
    lines = [f"failure: {one}" for one in found.failures[:_SHOWN]]
    accepted = len(found.flaws) - len(found.failures)
    verdict = _flaws(len(found.failures)) if lines else "all are sound"
    lines.insert(0, f"{found.entries} entries, {verdict}. {found.compared} exported heads agree with them.")
    if accepted:
        lines.append(f"{_flaws(accepted)} accepted (--json lists them).")
    if newest is not None:
        lines.append(f"head: entry {newest.number} of {newest.at.isoformat()}\n{newest.hash.hex()}")
    return "\n".join(lines)
