"""What the plans of HighLevel are said to allow: API 1.0 and 2.0, keys and tokens of agencies, OAuth.

HighLevel states nothing about it now, and reports disagree (FACTS section 19). So no call is refused by plan: this is
shown before a token is entered, and when HighLevel refuses a call for which the plan may be the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

REPORTED = "reported by partners only, and they disagree; HighLevel's present pages state nothing"
PLANS_SOURCE = (
    f"The plans are {REPORTED}. So nothing is refused here by plan: the token is tried, and HighLevel's answer counts."
)


@dataclass(frozen=True, slots=True)
class PlanAccess:
    """What a plan is said to allow. Each field is a short text."""

    plan: str
    location_key: str
    agency_key: str
    location_token: str
    agency_token: str
    oauth: str


PLANS = (
    PlanAccess("Starter", "yes, if it has one", "no", "yes", "reports differ", "reports differ"),
    PlanAccess("Unlimited", "yes, if it has one", "no", "yes", "reports differ", "reports differ"),
    PlanAccess("Agency Pro", "yes, if it has one", "yes, if it has one", "yes", "yes", "yes"),
)
_COLUMNS = {
    ("key", "location"): ("location_key", "an API 1.0 key of a location"),
    ("key", "company"): ("agency_key", "an API 1.0 key of an agency"),
    ("private", "location"): ("location_token", "a private token of a location (API 2.0)"),
    ("private", "company"): ("agency_token", "a private token of an agency (API 2.0)"),
    ("oauth", "location"): ("oauth", "OAuth (API 2.0)"),
    ("oauth", "company"): ("oauth", "OAuth (API 2.0)"),
}


def for_credential(kind: str, level: str) -> str:
    """One sentence: what each plan is said to allow of this kind of credential ("oauth", "private", "key") of a
    "location" or "company", and how sure that is."""
    column, title = _COLUMNS[kind, level]
    said = "; ".join(f"{row.plan}: {getattr(row, column)}" for row in PLANS)
    return f"What the plans are said to allow of {title}: {said} ({REPORTED})."


def lines() -> Iterator[str]:
    """All plans for a terminal, one line each."""
    for row in PLANS:
        yield (
            f"{row.plan}: API 1.0 key of a location: {row.location_key}; of an agency: {row.agency_key}; private "
            f"token of a location: {row.location_token}; of an agency: {row.agency_token}; OAuth: {row.oauth}"
        )
    yield PLANS_SOURCE
