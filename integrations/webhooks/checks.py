"""System check of the handlers of own apps: the event types that they name should exist."""

from __future__ import annotations

import difflib
from typing import Any

from django.core import checks

from integrations.webhooks.handlers import DECORATED, KNOWN_TYPES, is_known


@checks.register("hlapp", "events")
def handled_types(**_: Any) -> list[checks.CheckMessage]:
    """A warning, because the vendor sends types that its files do not list."""
    unknown = {name: handlers for name, handlers in DECORATED.items() if not is_known(name)}
    return [_unknown(name, handler.__qualname__) for name, handlers in unknown.items() for handler in handlers]


def _unknown(event_type: str, handler: str) -> checks.CheckMessage:
    near = difflib.get_close_matches(event_type, KNOWN_TYPES, n=3)
    hint = f"Close to it: {', '.join(near)}." if near else "`manage.py catalogue events` lists the types."
    words = f"The handler {handler} waits for {event_type!r}, which is not in the catalogue of events."
    return checks.Warning(words, hint=hint, id="webhooks.W001")
