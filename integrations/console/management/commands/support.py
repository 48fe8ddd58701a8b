"""Management command `support [TRACE_ID]`: where HighLevel helps with what, and the report of one refused call.

With a trace id it finds what was refused here: an API call, a sync or job run, a credential, an outbox entry, a row of
a bulk upsert, or the call of a webhook's handler.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.gateway.models import Call
from integrations.gateway.support import refused_call
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.gateway.support.refused_call import RefusedCall
from integrations.highlevel.support import plan_access
from integrations.highlevel.support.channels import CHANNELS
from integrations.jobs import queries as jobs
from integrations.jobs.models import Run as JobRun
from integrations.outbox import queries as outbox
from integrations.outbox.models import Entry
from integrations.sync import queries as sync
from integrations.sync.models import Run as SyncRun
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.upserts import queries as upserts
from integrations.upserts.models import UpsertRow
from integrations.webhooks import queries as webhooks


class Command(PrintableCommand):
    """The command `support`."""

    help = (
        "Where HighLevel helps with what, and what its plans allow; with a trace id what to do, and a report to send."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("trace_id", nargs="?", help="of what HighLevel refused")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the channels, or the help with one refused call."""
        if options["trace_id"] is None:
            self._overview(as_json=options["json"])
            return
        found = next(filter(None, map(help_with, _refused(options["trace_id"]))), None)
        if found is None:
            raise CommandError(f"nothing that HighLevel refused here has the trace id {options['trace_id']}")
        self.stdout.write(json.dumps(found.as_json(), indent=2) if options["json"] else found.as_text())

    def _overview(self, *, as_json: bool) -> None:
        if as_json:
            channels = [{"name": one.name, "url": one.url, "takes": one.takes} for one in CHANNELS]
            self.stdout.write(json.dumps({"channels": channels, "plans": list(plan_access.lines())}, indent=2))
            return
        self.stdout.write("\n".join(f"{one.name}: {one.url}\n    {one.takes}" for one in CHANNELS))
        self.stdout.write("\n".join(["", *plan_access.lines()]))


def _refused(trace_id: str) -> Iterator[RefusedCall]:
    for call in Call.objects.filter(trace_id=trace_id).exclude(code="").order_by("-pk")[:1]:
        yield refused_call.of_kept(call, App.objects.filter(pk=call.app_id).first())
    for job_run in JobRun.objects.filter(trace_id=trace_id).select_related("schedule__app").order_by("-pk")[:1]:
        yield jobs.refused_call(job_run)
    for sync_run in SyncRun.objects.filter(trace_id=trace_id).select_related("plan__app").order_by("-pk")[:1]:
        yield sync.refused_call(sync_run)
    for row in Credential.objects.filter(last_trace_id=trace_id).select_related("app").order_by("-pk")[:1]:
        yield refused_call.of_credential(row)
    for entry in Entry.objects.filter(trace_id=trace_id).select_related("outbox__app").order_by("-pk")[:1]:
        yield outbox.refused_call(entry)
    for one in UpsertRow.objects.filter(trace_id=trace_id).select_related("upsert__app").order_by("-pk")[:1]:
        yield upserts.refused_call(one)
    for attempt in webhooks.refusals().filter(trace_id=trace_id).order_by("-pk")[:1]:
        yield webhooks.refused_call(attempt)
