"""What `doctor` says of our answers to the vendor, which pauses a URL with too few 2xx: somebody should look before."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.webhooks import queries as webhooks

_ENOUGH_POSTS = 20  # fewer say nothing
_REFUSED = {
    "unsigned": "see that HIGHLEVEL_WEBHOOK_KEYS holds the key the vendor signs with; strangers' posts end up here too",
    "malformed": "see webhook.refused in the log; the portal may send another app's events to this URL",
    "too_large": "see webhook.refused in the log; real webhooks stay far below 1 MiB",
    "not_stored": "see why the database could not store them: away, full or read-only",
    "failed": "see the errors in the log of the web processes",
}


def webhook_answers() -> Iterator[Finding]:
    """How the vendor's posts of the last three days were answered."""
    name = "webhooks"
    total = 0
    for standing in webhooks.standings(clock.now()):
        total += standing.answered
        if standing.answered < _ENOUGH_POSTS or 1 - standing.share_refused >= webhooks.GOOD:
            continue
        counted = ", ".join(f"{number:,} {reason}" for reason, number in standing.refused.items())
        found = f"{standing.app or 'URLs of no app'}: {standing.share_refused:.1%} of {standing.answered:,} refused"
        worst = max(standing.refused, key=lambda reason: standing.refused[reason])
        yield Finding(name, Level.WARNING, f"{found} in three days ({counted})", _REFUSED[worst])
    yield Finding(name, Level.OK, f"{total:,} answered in three days")
