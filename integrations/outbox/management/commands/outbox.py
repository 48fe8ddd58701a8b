"""`manage.py outbox list|entries|decide|send|put-again|replay|discard|pause|resume`: outboxes, on a terminal."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.outbox import entry_states, outbox_pauses, queries, replays
from integrations.outbox.models import Entry, TenantOutbox

ACTOR = "manage.py outbox"
_MOST = 1_000


class Command(PrintableCommand):
    """The command `outbox`."""

    help = "Calls that wait to be sent: list, decide about, send again or discard entries; pause and resume."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the subcommands and their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", parents=[common], help="the outboxes, and what waits in them")
        listed = verbs.add_parser("entries", parents=[common], help="entries that are not done")
        listed.add_argument("--state", choices=Entry.State.values, help="only of this state")
        listed.add_argument("--tenant", metavar="ID", help="only of this location or company")
        decide = verbs.add_parser("decide", parents=[common], help="say whether an entry of unknown fate happened")
        decide.add_argument("id", type=int)
        fate = decide.add_mutually_exclusive_group(required=True)
        fate.add_argument("--happened", action="store_true", help="the entity's next entry follows")
        fate.add_argument("--did-not-happen", action="store_true", help="it is sent again")
        for verb, words in (
            ("send", "send a rejected entry or a conflict, over the values that the record has now"),
            ("put-again", "send an entry whose record has changed, if the record still has what was found"),
            ("replay", "make the call of an entry that is done again, as another entry"),
            ("discard", "never send an entry"),
        ):
            verbs.add_parser(verb, parents=[common], help=words).add_argument("id", type=int)
        for verb, words in (("pause", "send nothing more"), ("resume", "send on")):
            one = verbs.add_parser(verb, parents=[common], help=f"{words} of a tenant")
            one.add_argument("tenant", metavar="ID")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        try:
            getattr(self, f"_{options['verb'].replace('-', '_')}")(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        boxes = list(TenantOutbox.objects.order_by("tenant_id")[:_MOST])
        counted = queries.counts([box.pk for box in boxes])
        rows = [
            {"tenant": box.tenant_id, "paused": not outbox_pauses.sends(box), **counted.get(box.pk, {})}
            for box in boxes
        ]
        self._print(options, rows, "there is no outbox yet: integrations/outbox/outbox.py says how to put into one")

    def _entries(self, options: dict[str, Any]) -> None:
        states = [options["state"]] if options["state"] else queries.OPEN
        found = Entry.objects.filter(state__in=states).select_related("outbox").order_by("pk")
        if options["tenant"]:
            found = found.filter(outbox__tenant_id=options["tenant"])
        self._print(options, [queries.as_json(entry) for entry in found[:_MOST]], "there is no such entry")

    def _decide(self, options: dict[str, Any]) -> None:
        self._changed(options, entry_states.decide(options["id"], clock.now(), happened=options["happened"], by=ACTOR))

    def _send(self, options: dict[str, Any]) -> None:
        self._changed(options, entry_states.send_again(options["id"], by=ACTOR))

    def _put_again(self, options: dict[str, Any]) -> None:
        self._changed(options, entry_states.put_again(options["id"], by=ACTOR))

    def _replay(self, options: dict[str, Any]) -> None:
        self._changed(options, replays.replay(options["id"], by=ACTOR))

    def _discard(self, options: dict[str, Any]) -> None:
        self._changed(options, entry_states.discard(options["id"], by=ACTOR))

    def _pause(self, options: dict[str, Any]) -> None:
        self._switched(options, outbox_pauses.pause(TenantOutbox.objects.filter(tenant_id=options["tenant"]), by=ACTOR))

    def _resume(self, options: dict[str, Any]) -> None:
        self._switched(
            options, outbox_pauses.resume(TenantOutbox.objects.filter(tenant_id=options["tenant"]), by=ACTOR)
        )

    def _switched(self, options: dict[str, Any], ids: list[int]) -> None:
        if not ids:
            raise CommandError(f"no outbox of {options['tenant']} can be {options['verb']}d: manage.py outbox list")
        self._print(options, [{"tenant": options["tenant"], "paused": options["verb"] == "pause"}], "")

    def _changed(self, options: dict[str, Any], entry: Entry) -> None:
        entry.refresh_from_db()
        self._print(options, [{"id": entry.pk, "key": entry.key, "state": entry.state}], "")

    def _print(self, options: dict[str, Any], rows: list[dict[str, Any]], nothing: str) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        lines = [", ".join(f"{name} {_text(value)}" for name, value in row.items() if value) for row in rows]
        self.stdout.write("\n".join(lines) or nothing)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
