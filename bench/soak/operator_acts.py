"""What an operator does in a soak: decide writes of unknown fate by looking at the vendor, and resume a paused job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db import connection

from bench.soak.running import Soak
from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.jobs import events, pausing, writes
from integrations.jobs.models import Trigger, Write
from integrations.outbox import entry_states
from integrations.outbox.models import Entry

BY, CRASHING = "the soak", "soak_app.crash"


def reconnect() -> None:
    """Give the connection back: the next one is checked, because PostgreSQL may have been restarted."""
    connection.close()


def unknown_writes() -> bool:
    """Whether a job waits for a decision."""
    reconnect()
    return Write.objects.unknown().exists()


def decide_unknown(soak: Soak) -> None:
    """Decide about every unknown write of the outbox and of jobs. One whose answer may still come stays."""
    reconnect()
    texts = set(notes(soak))
    for write in Write.objects.unknown():
        with suppress(BadRequest):
            writes.decide(write.pk, clock.now(), happened=_text(write.request["body"]) in texts, by=BY)
    for entry in Entry.objects.filter(state=Entry.State.UNKNOWN):
        with suppress(BadRequest):
            entry_states.decide(entry.pk, clock.now(), happened=_text(entry.body) in texts, by=BY)


def resume_job() -> None:
    """Resume the job that crashed, and let it see again what was set aside."""
    reconnect()
    pausing.resume(CRASHING, by=BY)
    retry_events()


def retry_events() -> None:
    """Let the job see again what was set aside."""
    events.retry(Trigger.objects.filter(schedule__job=CRASHING))


def notes(soak: Soak) -> Iterator[str]:
    """The texts of all notes that the vendor holds."""
    for location in soak.platform.world.locations.values():
        stored = location.notes
        yield from [stored[key].body for key in list(stored)]


def _text(body: Any) -> str:
    return str(body["body"])
