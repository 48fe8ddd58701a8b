"""What operators need to know before and after they enter a token: plans, which API, where tokens are, what goes wrong.

Shown above the form, on the page of an entered token, and by `manage.py connect` before it asks. The facts and how sure
they are stand in docs/vendor-facts.md, sections 16 and 19. What the vendor does not state is said to be unstated.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.highlevel.support import plan_access

HELP_KEYS = "HighLevel help, article 48001205369"
HELP_API = "HighLevel help, article 48001060529, 2026-02-04"
HELP_PRIVATE = "HighLevel help, article 155000003054"
HELP_UNUSED = "HighLevel help, article 155000003697"
PUBLIC_API = "public-api.gohighlevel.com"


@dataclass(frozen=True, slots=True)
class Advice:
    """One answer: its question, the answer, and where it is from."""

    question: str
    answer: str
    source: str


CHOICE = (
    Advice(
        "Which one should I enter?",
        "A private integration token, if the account can make one: it opens API 2.0 and v3, has scopes, and can be "
        "rotated. An API 1.0 key only where the account has one already and no other access. To install the "
        "marketplace "
        "app is better than both, because only an installation brings webhooks, and tokens that renew themselves.",
        HELP_API,
    ),
    Advice(
        "What is the difference between API 1.0 and API 2.0?",
        "API 1.0 is out of support and still answers. It gets nothing new, has no scopes and no webhooks, and lists "
        "contacts, opportunities, pipelines, users, calendars, custom fields and values, tags, campaigns, workflows, "
        "forms and surveys of a location, and the locations of an agency. API 2.0 "
        "and v3 have everything else. A key of API 1.0 opens nothing of API 2.0, and the other way round.",
        f"{HELP_API}; {PUBLIC_API}",
    ),
    Advice(
        "Whose token is it?",
        "A location's token reaches that location only. An agency's reaches the agency itself and the list of its "
        "locations, not their contacts: connect each location by a token of its own.",
        PUBLIC_API,
    ),
)
BEFORE = (
    Advice(
        "Where do I find a private integration token?",
        "In the location, or for an agency in the agency view: Settings > Private Integrations. Create one "
        "with the scopes "
        "that the sync and your jobs read, and copy the token at once: HighLevel does not show it again.",
        HELP_PRIVATE,
    ),
    Advice(
        "Where do I find an API 1.0 key?",
        "A location's: Settings > Business Info > API Key. An agency's: Agency Settings > API Keys, which "
        "also lists the "
        "locations that have one. Copy it with its clipboard icon.",
        f"{HELP_KEYS}; {PUBLIC_API}",
    ),
    Advice(
        "There is no API 1.0 key. Can I make one?",
        "An account that never had an API 1.0 key can no longer make one: make a private integration token. "
        "Otherwise the "
        "regenerate arrows beside the key make a new one after you typed CONFIRM. It can take five hours to appear.",
        f"{HELP_API}; {HELP_KEYS}",
    ),
)
AFTER = (
    Advice(
        "How do I recognise an old key?",
        "A key of about 50 characters is of the old kind, which HighLevel no longer accepts. One that works "
        "has 250 and "
        "more, with two dots in it. A private integration token begins with pit-.",
        HELP_KEYS,
    ),
    Advice(
        "It pastes as blank or undefined.",
        "Then the account has no key yet: press the regenerate arrows once, wait up to five hours, and copy "
        "it again. If "
        "there is still none, press them once more, then ask HighLevel's support.",
        HELP_KEYS,
    ),
    Advice(
        "How do I replace it?",
        "Make the new one at HighLevel, enter it here for the same account: it is tested first, and calls "
        "under way finish "
        "with the old one. A regenerated API 1.0 key ends the old one at once, everywhere it is used.",
        HELP_KEYS,
    ),
    Advice(
        "It may be compromised.",
        "A person who has it can read and change the account. Choose 'Give up as compromised' in the list of "
        "credentials, end "
        "it at HighLevel (rotate or delete the private integration, regenerate the key), and enter the new one.",
        f"{HELP_KEYS}; {HELP_PRIVATE}",
    ),
    Advice(
        "It stopped working by itself.",
        "A person rotated, regenerated or deleted it, or it was unused for 90 days: HighLevel deletes unused "
        "API 1.0 keys "
        "then. The credential's page says when HighLevel refused it.",
        HELP_UNUSED,
    ),
)


def as_text() -> str:
    """All notes as text for a terminal."""
    notes = [f"{note.question}\n    {note.answer} [{note.source}]" for note in (*CHOICE, *BEFORE, *AFTER)]
    return "\n".join([*plan_access.lines(), "", *notes])
