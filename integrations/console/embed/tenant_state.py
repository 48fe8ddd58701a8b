"""State of one tenant as its own users may see it: installed, connected, synced. Plain data, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils.http import urlencode

from integrations.console.agency_view import account_progress, agency_words
from integrations.console.agency_view.agency_words import AgencyProblem
from integrations.console.embed import embedded_access, ending
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.problems import queries as problems
from integrations.problems.models import FailureKind
from integrations.quota.permits import queries as quota
from integrations.sync import queries as sync
from integrations.sync.models import Plan, Record, Run
from integrations.sync.queries import Progress
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages import consent_link
from integrations.tokens.models import Credential

_MOST_PROBLEMS = 5
_CONNECTION = {
    Credential.State.ACTIVE: "connected",
    Credential.State.SUSPENDED: "paused",
    Credential.State.NEEDS_RECONNECT: "reconnect",
    Credential.State.REVOKED: "ended",
}


def state(user: EmbeddedUser) -> dict[str, Any]:
    """What the page shows `user`.

    Always `place` ("location" or "company"), `name`, `installed` and `claimed`. Once the installation is claimed,
    `connection` too, `quota`, missing scopes with the link that asks for them, and the synced records of the location,
    or of the company itself together with its locations and the progress of each. `problems` are the last ones, in the
    words of the account's people; `reconnect_url` leads to a new installation; `may_uninstall` is for administrators.
    """
    shown = _location(user) if user.location_id else _company(user)
    standing = embedded_access.standing(user)
    if standing.is_claimed or not standing.is_installed:
        app = standing.installation.app if standing.installation else App.objects.get(pk=user.app_id)
        shown["reconnect_url"] = f"{reverse('install')}?{urlencode({'app': app.client_id})}"
    is_open = standing.is_installed and standing.is_claimed
    return shown | {"may_uninstall": is_open and ending.may_end(user, standing.installation)}


def _location(user: EmbeddedUser) -> dict[str, Any]:
    now = embedded_access.standing(user)
    installation = now.installation
    if installation is None:
        return {"place": "location", "name": "", "installed": False, "claimed": False}
    shown: dict[str, Any] = {
        "place": "location",
        "name": (installation.location.name if installation.location else "") or user.location_id,
        "installed": now.is_installed,
        "claimed": now.is_claimed,
    }
    if now.is_installed and now.is_claimed:
        shown |= _synced(user, installation) | _permissions(installation) | _quota(installation)
    return shown


def _company(user: EmbeddedUser) -> dict[str, Any]:
    now = embedded_access.standing(user)
    installation = now.installation
    shown: dict[str, Any] = {
        "place": "company",
        "name": (installation.company.name if installation and installation.company else "") or user.company_id,
        "installed": now.is_installed,
        "claimed": now.is_claimed,
    }
    if now.is_installed and now.is_claimed:
        shown["locations"] = embedded_access.locations(user).count()
        shown["problems"] = _problems(user, [])
        shown["progress"] = asdict(account_progress.of_company(user.app_id, user.company_id))
        shown["connection"] = None
        if installation is not None:
            shown |= _synced(user, installation) | _permissions(installation) | _quota(installation)
    return shown


def _permissions(installation: Installation) -> dict[str, Any]:
    """Scopes that are missing, what that disables, and the link that asks for them."""
    gap = scope_gaps.of(installation)
    return {
        "missing_scopes": list(gap.missing),
        "disabled": scope_gaps.disabled(installation, gap) if gap.missing else [],
        "consent_url": consent_link.url(installation) if gap.missing else None,
    }


def _quota(installation: Installation) -> dict[str, Any]:
    """The account's quota of calls: free now of `limit` in `seconds`, and what is left of the day once that is known.

    None while the store of the quota is unavailable: the page shows the rest.
    """
    try:
        now = quota.snapshot(installation.quota_app, installation.resource_id)
    except StoreUnavailable:
        return {"quota": None}
    burst = {"free": now.free, "limit": now.limit, "seconds": now.interval_ms / 1000}
    return {"quota": burst | {"day_left": now.day_remaining, "day_limit": now.day_limit}}


def _synced(user: EmbeddedUser, installation: Installation) -> dict[str, Any]:
    mine = {"app_id": user.app_id, "location_id": user.tenant.id}
    plans = sync.progress(Plan.objects.filter(**mine, enabled=True))
    kept = Record.objects.filter(**mine, deleted_at=None).values_list("resource").annotate(found=Count("id"))
    counts: dict[str, int] = dict(kept.order_by())
    failing = [agency_words.resource(plan.resource, plan.error_code) for plan in plans if plan.status == "failed"]
    last = max((plan.synced_at for plan in plans if plan.synced_at), default=None)
    return {
        "connection": _connection(installation),
        "problems": _problems(user, failing),
        "last_sync": last.isoformat() if last else None,
        "records": sum(counts.values()),
        "resources": [_resource(plan, counts.get(plan.resource, 0)) for plan in plans],
    }


def _problems(user: EmbeddedUser, failing: list[AgencyProblem]) -> list[dict[str, str]]:
    """What fails now, and the last open problems of the tenant with this app, but no sync that works again."""
    found = problems.of_tenant(user.tenant.id, clock.now(), _MOST_PROBLEMS, app_id=user.app_id)
    others = [one.problem for one in found if one.problem.kind != FailureKind.SYNC]
    every = [*failing, *(agency_words.failure(problem.kind, problem.code) for problem in others)]
    return [asdict(one) for one in dict.fromkeys(every)][:_MOST_PROBLEMS]


def _resource(plan: Progress, records: int) -> dict[str, Any]:
    running = plan.status == Run.Status.RUNNING
    return {
        "name": plan.title,
        "records": records,
        "synced_at": plan.synced_at.isoformat() if plan.synced_at else None,
        "running": running,
        "seen": plan.seen if running else None,
        "total": plan.total if running else None,
    }


def _connection(row: Installation) -> str:
    """The state of the credential that the installation works with."""
    mine = {"app_id": row.app_id, "user_type": row.user_type, "resource_id": row.resource_id}
    credential = Credential.objects.filter(**mine, api=row.abilities.api).first()
    return _CONNECTION[Credential.State(credential.state)] if credential else "pending"
