"""System check of lifecycle hooks: the events that they name must exist."""

from __future__ import annotations

import difflib
from typing import Any

from django.core import checks

from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.lifecycle_hooks import HOOKS


@checks.register("hlapp", "events")
def lifecycle_events(**_: Any) -> list[checks.CheckMessage]:
    """An error for each function that is registered for an event that does not exist."""
    known = InstallationChange.What.values
    return [_unknown(event, name, known) for event in HOOKS if event not in known for name in HOOKS[event]]


def _unknown(event: str, name: str, known: list[str]) -> checks.CheckMessage:
    near = difflib.get_close_matches(event, known, n=3)
    hint = f"Close to it: {', '.join(near)}." if near else f"There are: {', '.join(known)}."
    return checks.Error(
        f"The hook {name} waits for {event!r}, which is no lifecycle event.", hint=hint, id="tenants.E001"
    )
