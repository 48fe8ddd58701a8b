"""System checks of background jobs: the events that start them must exist, and a job for an uninstall stands alone."""

from __future__ import annotations

import difflib
from typing import Any

from django.core import checks

from integrations.jobs import events
from integrations.jobs.define import JOBS, UNINSTALLED, Job
from integrations.tenants.installation_change import InstallationChange
from integrations.webhooks.handlers import HANDLERS, KNOWN_TYPES, is_known


@checks.register("hlapp", "events")
def event_types(**_: Any) -> list[checks.CheckMessage]:
    """Errors: a job that waits for an event that does not exist would never run."""
    handled = {name for name, handlers in HANDLERS.items() if set(handlers) != {events.note}}
    known = KNOWN_TYPES | handled | set(InstallationChange.What.values)
    unknown = [
        _unknown(job, name, known)
        for job in JOBS.values()
        for name in job.events
        if name not in known and not is_known(name)
    ]
    return [*unknown, *(_mixed(job) for job in JOBS.values() if _is_mixed(job))]


def _unknown(job: Job, event_type: str, known: frozenset[str]) -> checks.CheckMessage:
    near = difflib.get_close_matches(event_type, known, n=3) or _by_case(event_type, known)
    lists = "`manage.py catalogue events` lists the webhooks, InstallationChange.What the others"
    hint = f"Close to it: {', '.join(near)}." if near else f"{lists}. Add a type in highlevel.catalogue.event_types."
    text = f"Job {job.name!r} waits for {event_type!r}, which is neither a webhook nor a lifecycle event known here."
    return checks.Error(text, hint=hint, id="jobs.E001")


def _by_case(event_type: str, known: frozenset[str]) -> list[str]:
    folded = {name.casefold(): name for name in known}
    return [folded[name] for name in difflib.get_close_matches(event_type.casefold(), folded, n=3)]


def _is_mixed(job: Job) -> bool:
    return UNINSTALLED in job.events and (not job.runs_after_uninstall or job.is_scheduled)


def _mixed(job: Job) -> checks.CheckMessage:
    text = f"Job {job.name!r} starts on {UNINSTALLED!r} and on something else."
    hint = "After an uninstall there is no token: make it a job of its own, with no other event and no schedule."
    return checks.Error(text, hint=hint, id="jobs.E002")
