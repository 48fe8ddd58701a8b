"""The `doctor` check of webhook answers: warns while many are refused.

The vendor pauses a webhook URL that answers too few 2xx, so the operator should look into it before that.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.webhooks import queries as webhooks

_ENOUGH_POSTS = 20  # a share of fewer is no evidence
_REFUSED = {
    "unsigned": "see that HIGHLEVEL_WEBHOOK_KEYS holds the vendor's signing key; other senders' posts count here too",
    "malformed": "see webhook.refused in the log",
    "too_large": "raise WEBHOOK_MAX_BYTES, and the limit of the proxy in front",
    "not_stored": "see why the database could not store them: away, full or read-only",
    "failed": "see the errors in the log of the web processes",
}


def webhook_answers() -> Iterator[Finding]:
    """How this deployment answered the webhooks of the last three days."""
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
