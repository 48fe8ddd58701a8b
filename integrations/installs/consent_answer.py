"""The consent link of one account: what its page shows, and the answer, which is kept in the installation's history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.tenants import history, install_link, versions
from integrations.tenants.install_link import MarketplaceHost
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages.consent_link import ConsentLink

What = InstallationChange.What
GRANTED, MISSING, DENIED, OTHER = "granted", "missing", "denied", "another account"


@dataclass(frozen=True, slots=True)
class MissingScope:
    """A scope that is not granted. `in_version`: whether the account's version of the app can ask for it."""

    name: str
    in_version: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest answer to a consent link: whether it is done, in words, and when."""

    done: bool
    text: str
    at: datetime


def account_name(row: Installation) -> str:
    """The name of the account, or its id while the name is unknown."""
    return str((row.location if row.user_type == "Location" else row.company) or row.resource_id)


def missing(row: Installation) -> list[MissingScope]:
    """What the account has not granted."""
    version = versions.of(row)
    known = version.scope_set if version is not None else frozenset()
    return [MissingScope(name, not known or name in known) for name in scope_gaps.of(row).missing]


def page(link: ConsentLink) -> dict[str, Any]:
    """What the link's page shows. It names the account, because the link was made for it."""
    row = link.installation
    return {
        "app": row.app,
        "account": account_name(row),
        "account_id": row.resource_id,
        "missing": missing(row),
        "disabled": scope_gaps.disabled(row, scope_gaps.of(row)),
        "answer": answer(row, since=link.made_at),
        "expires_at": link.expires_at,
    }


def hosts(row: Installation) -> list[MarketplaceHost]:
    """Where the account may consent: for a white-label agency the other hosts come first."""
    found = install_link.hosts(row.app)
    return [*found[1:], found[0]] if row.white_label else found


def settle(asked: Installation, got: Installation | None, *, now: datetime) -> None:
    """Keep the answer. `got` is the installation that the grant is for, None when the person refused."""
    row = Installation.objects.select_related("app").get(pk=asked.pk)
    if got is None:
        outcome: dict[str, Any] = {"outcome": DENIED}
    elif got.pk != row.pk:
        outcome = {"outcome": OTHER, "account": got.resource_id}
    else:
        left = list(scope_gaps.of(row).missing)
        outcome = {"outcome": MISSING if left else GRANTED, "missing": left}
    history.add(row.change(What.CONSENT, now, new=outcome))


def answer(row: Installation, *, since: datetime | None = None) -> Answer | None:
    """The newest answer of the account, None without one (since the link was made)."""
    entries = row.changes.filter(what=What.CONSENT, generation=row.generation)
    found = (entries.filter(at__gte=since) if since else entries).order_by("-pk").first()
    if found is None or not isinstance(found.new, dict):
        return None
    left = ", ".join(found.new.get("missing", []))
    texts = {
        GRANTED: "The permissions were granted.",
        MISSING: f"The account agreed, but these are still missing: {left}.",
        DENIED: "The permissions were refused.",
        OTHER: "Another account was chosen, so nothing has changed for this one.",
    }
    outcome = found.new.get("outcome", "")
    return Answer(outcome == GRANTED, texts.get(outcome, str(outcome)), found.at)
