"""The `doctor` checks of webhooks: of how they are answered, and of deliveries to modules without a handler.

The vendor pauses a webhook URL that answers too few 2xx, so the operator should look into it before that. Posts without
a valid signature are strangers' and raise no warning, unless verified ones have stopped, or never came to an app that
is installed: then the key is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.modules import module_urls
from integrations.webhooks import never_verified
from integrations.webhooks import queries as webhooks
from integrations.webhooks.module_deliveries import UNDONE, kind_of

_ENOUGH_POSTS = 20  # a share of fewer is no evidence
_CURES = {
    "unsigned": "see that HIGHLEVEL_WEBHOOK_KEYS holds the vendor's signing key",
    "malformed": "see webhook.refused in the log",
    "too_large": "raise WEBHOOK_MAX_BYTES, and the limit of the proxy in front",
    "not_stored": "see why the database could not store them: away, full or read-only",
    "failed": "see the errors in the log of the web processes",
}


def webhook_answers() -> Iterator[Finding]:
    """How this deployment answered the webhooks of the last three days."""
    name = "webhooks"
    total = unsigned_posts = 0
    for responses in webhooks.responses_by_app(clock.now()):
        total += responses.answered
        app, unverified = responses.app or "URLs of no app", sum(responses.unverified.values())
        unsigned_posts += unverified
        if responses.rejects_all and unverified >= _ENOUGH_POSTS:
            found = f"{app}: no webhook could be verified today ({_counted(responses.unverified)} in three days)"
            yield Finding(name, Level.WARNING, found, _cure(responses.unverified))
        if responses.answered >= _ENOUGH_POSTS and 1 - responses.share_refused < webhooks.GOOD:
            share = f"{responses.share_refused:.1%} of {responses.answered:,} refused"
            found = f"{app}: {share} in three days ({_counted(responses.refused)})"
            yield Finding(name, Level.WARNING, found, _cure(responses.refused))
    yield Finding(
        name, Level.OK, f"{total:,} answered in three days, and {unsigned_posts:,} posts without a valid signature"
    )


def first_webhooks() -> Iterator[Finding]:
    """Apps that are installed for more than a day, and never got a webhook that could be verified."""
    name, unheard = "first webhooks", never_verified.unheard_apps(clock.now())
    for one in unheard:
        found = f"{one.app}: installed for over a day ({one.installations:,}), and no webhook was ever verified"
        if one.unverified:
            found, fix = f"{found}; {one.unverified:,} came without a valid signature", _CURES["unsigned"]
        else:
            fix = "enter the webhook URL of the app in the developer portal, or name it in APPS_WITHOUT_WEBHOOKS"
        yield Finding(name, Level.WARNING, found, fix)
    if not unheard:
        yield Finding(name, Level.OK, "each app that is installed for a day got one, or needs none")


def module_deliveries() -> Iterator[Finding]:
    """Deliveries of the last day to modules of an app, such as a message for a provider, without a handler; and
    modules that HighLevel cannot call yet, because no key was made.
    """
    name, found = "modules", webhooks.unhandled_deliveries(clock.now() - webhooks.RECENT)
    for kind, number in found.items():
        fix = f'handle them, by @on_event("{kind}") or a background job with on="{kind}"; then replay these events'
        undone = UNDONE[kind_of(kind)]
        yield Finding(name, Level.WARNING, f"{number:,} {kind} in a day, and no handler: {undone}", fix)
    keyless = module_urls.that_lack_a_key()
    if keyless:
        what = f"handled here, and no app has a key, so HighLevel is answered 401: {', '.join(keyless)}"
        yield Finding(name, Level.WARNING, what, "manage.py modules rotate, and enter the key in the developer portal")
    if not found and not keyless:
        yield Finding(name, Level.OK, "every delivery has a handler")


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in numbers.items())


def _cure(numbers: dict[str, int]) -> str:
    return _CURES[max(numbers, key=lambda reason: numbers[reason])]
