"""`manage.py audit`: verify the audit trail, list exported heads, prune it, seal it anew, accept what was found.

`verify` compares every entry with its seal, the sealed head, and the heads that were exported: those that the database
remembers, those in `AUDIT_HEAD_FILE`, and those in each file after `--heads`, which may be a log. It names each entry
that does not fit and ends with status 1. `core.audit` says what that proves.
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
            "verify": "check all entries; exits 1 and names the first that does not fit",
            "heads": "list the exported heads",
            "prune": "delete old entries, in a way that the rest still verifies",
            "reseal": "let the newest key answer for the whole trail; `vault rotate` does this too",
            "accept": "record that the flaws which verify finds now are known, such as after a restored backup",
        }
        added = {name: actions.add_parser(name, help=text) for name, text in helps.items()}
        for action in added.values():
            action.add_argument("--json", action="store_true", help="print the result as JSON")
        kept = "a head's hash from an earlier run that must still be there"
        added["verify"].add_argument("--kept", metavar="HASH", help=kept)
        heads = "a file of exported heads, or a log that has them; may be given several times"
        added["verify"].add_argument("--heads", metavar="FILE", action="append", default=[], help=heads)
        added["prune"].add_argument("--keep-days", type=int, required=True, metavar="DAYS", help="at least 30")
        added["accept"].add_argument("--reason", required=True, help="what happened, for those who read the trail")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the action."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except (BadRequest, SealBroken) as error:
            raise CommandError(str(error)) from None

    def _verify(self, options: dict[str, Any]) -> None:
        files = [*options["heads"]]
        if settings.AUDIT_HEAD_FILE and Path(settings.AUDIT_HEAD_FILE).exists():
            files.append(settings.AUDIT_HEAD_FILE)
        found = verification.examine([head for file in files for head in exported_heads.in_file(file)])
        self.stdout.write(json.dumps(_as_json(found), indent=2) if options["json"] else _text(found))
        if found.failures:
            raise CommandError(f"the audit trail is broken: {_first(found)}")
        if options["kept"] and not AuditEntry.objects.filter(hash=_parsed(options["kept"])).exists():
            raise CommandError(f"the audit trail lacks {options['kept']}: its end was cut off, or it was rewritten")

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
        done = maintenance.prune(clock.now() - timedelta(days=options["keep_days"]), actor=ACTOR)
        words = f"{done.entries} entries deleted; the trail begins after entry {done.up_to}."
        self.stdout.write(json.dumps({"deleted": done.entries, "up_to": done.up_to}) if options["json"] else words)

    def _reseal(self, options: dict[str, Any]) -> None:
        found = maintenance.reseal(actor=ACTOR)
        self.stdout.write(json.dumps(_as_json(found), indent=2) if options["json"] else _text(found))
        if found.failures:
            raise CommandError(f"the audit trail is broken: {_first(found)}")

    def _accept(self, options: dict[str, Any]) -> None:
        found = maintenance.accept(options["reason"], actor=ACTOR)
        count = len(found.failures)
        self.stdout.write(json.dumps({"accepted": count}) if options["json"] else f"{count} flaws are accepted.")


def _parsed(kept: str) -> bytes:
    try:
        return bytes.fromhex(kept)
    except ValueError:
        raise CommandError("--kept should be a hash that this command printed") from None


def _first(found: Examination) -> str:
    first = found.failures[0]
    return f"entry {found.first_broken} is the first that does not fit ({first})" if first.number else str(first)


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


def _text(found: Examination) -> str:
    newest = found.newest
    if newest is None and not found.failures:
        return "The audit trail is empty."
    lines = [f"does not fit: {one}" for one in found.failures[:_SHOWN]]
    accepted = len(found.flaws) - len(found.failures)
    verdict = f"{len(found.failures)} flaws" if lines else "all fit"
    lines.insert(0, f"{found.entries} entries, {verdict}. {found.compared} exported heads agree.")
    if accepted:
        lines.append(f"{accepted} flaws were accepted (--json lists them).")
    if newest is not None:
        lines.append(f"head: entry {newest.pk} of {newest.at.isoformat()}\n{newest.hash.hex()}")
    return "\n".join(lines)
