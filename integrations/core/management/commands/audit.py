"""`manage.py audit verify`: check the hash chain of the audit trail.

The chain reveals a changed, removed or inserted entry. It does not reveal that its last entries were removed, or that
all of it was rewritten. So the command prints the hash of the newest entry, to be kept elsewhere, and `--kept HASH`
checks that the chain still contains it.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.core import audit
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.models import AuditEntry


class Command(PrintableCommand):
    """The command `audit`."""

    help = "The audit trail. `verify` checks its hash chain and names the first entry that does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the action and `--kept`."""
        verify = parser.add_subparsers(dest="action", required=True).add_parser("verify", help="check the hash chain")
        verify.add_argument("--kept", metavar="HASH", help="a head's hash from an earlier run that must still be there")
        verify.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Verify the chain and print the newest hash."""
        head = audit.head()  # before the check, which then covers it
        broken = audit.verify()
        result = {
            "entries": AuditEntry.objects.filter(pk__lte=head.pk).count() if head else 0,
            "first_broken": broken,
            "head": {"id": head.pk, "at": head.at.isoformat(), "hash": bytes(head.hash).hex()} if head else None,
        }
        self.stdout.write(json.dumps(result, indent=2) if options["json"] else _text(result))
        if broken is not None:
            raise CommandError(f"the audit trail is broken: entry {broken} is the first that does not fit")
        if options["kept"] and not audit.contains(_parsed(options["kept"])):
            raise CommandError(f"the audit trail lacks {options['kept']}: its end was cut off, or it was rewritten")


def _parsed(kept: str) -> bytes:
    try:
        return bytes.fromhex(kept)
    except ValueError:
        raise CommandError("--kept should be a hash that this command printed") from None


def _text(result: dict[str, Any]) -> str:
    head = result["head"]
    if head is None:
        return "The audit trail is empty."
    verdict = "all fit" if result["first_broken"] is None else f"entry {result['first_broken']} does not fit"
    return f"{result['entries']} entries, {verdict}.\nhead: entry {head['id']} of {head['at']}\n{head['hash']}"
