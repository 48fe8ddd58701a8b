"""System check of background jobs: the webhook types that start them must exist."""

from __future__ import annotations

import difflib
from typing import Any

from django.core import checks

from integrations.jobs import events
from integrations.jobs.define import JOBS, Job
from integrations.webhooks.handlers import HANDLERS, KNOWN_TYPES


@checks.register("hlapp")
def event_types(**_: Any) -> list[checks.CheckMessage]:
    """Warns of a misspelt type in `on=`, with which a job never runs. The vendor may also have one that is new here."""
    known = KNOWN_TYPES | {name for name, handlers in HANDLERS.items() if set(handlers) != {events.note}}
    return [_unknown(job, name, known) for job in JOBS.values() for name in job.events if name not in known]


def _unknown(job: Job, event_type: str, known: frozenset[str]) -> checks.CheckMessage:
    near = difflib.get_close_matches(event_type, known, n=3)
    hint = f"Close to it: {', '.join(near)}." if near else "The types are in integrations/webhooks/handlers.py."
    text = f"Job {job.name!r} waits for {event_type!r} events, a type that is not known here."
    return checks.Warning(text, hint=hint, id="jobs.W001")
