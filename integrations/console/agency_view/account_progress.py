"""How far the sub-accounts of an installation are: connected, what is being fetched, up to date, or failing.

Those that fail come first, then those under way; only the first `SHOWN` are named. Every read is bound to one app and
to one company or location, so no page can show another tenant's account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, CharField, Count, Exists, IntegerField, OuterRef, QuerySet, Subquery, Value, When

from integrations.console.agency_view import agency_words
from integrations.core.tenant import UserType
from integrations.sync import queries as sync
from integrations.sync.models import Plan, Run
from integrations.sync.queries import Progress
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential

SHOWN = 25
# State: tone (a class of site.css), word, what to do or to expect. In the order in which they are listed.
STATES = {
    "reconnect": ("bad", "Disconnected", "Its access has ended. Connect it again; the data kept so far stays."),
    "failed": ("bad", "Has a problem", ""),
    "paused": ("warn", "Paused", "It is paused or closed. Once it is active again, this goes on by itself."),
    "waiting": ("warn", "Waiting", "Its connection is being set up."),
    "arriving": ("", "Arriving", ""),
    "current": ("good", "Up to date", ""),
}
_TROUBLED = ("reconnect", "failed", "paused")
_UNDER_WAY = ("waiting", "arriving")
_CREDENTIALS = {
    Credential.State.NEEDS_RECONNECT: "reconnect",
    Credential.State.REVOKED: "reconnect",
    Credential.State.SUSPENDED: "paused",
}


@dataclass(frozen=True, slots=True)
class SubAccount:
    """One sub-account: `fetched` and `fetching` are resources, `words` say what to expect or to do."""

    name: str
    tone: str
    state: str
    words: str
    fetching: list[str]
    fetched: int
    of: int


@dataclass(frozen=True, slots=True)
class AccountProgress:
    """All sub-accounts of an installation in numbers, and the first of them.

    `own` is the agency itself, if something of its own is synced. The numbers do not count it.
    """

    total: int
    connected: int
    failing: int
    under_way: int
    accounts: list[SubAccount]
    own: SubAccount | None = None

    @property
    def rows(self) -> list[SubAccount]:
        """Those that are named, the agency itself first."""
        return [*filter(None, [self.own]), *self.accounts]

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.total - len(self.accounts)


def of(row: Installation) -> AccountProgress:
    """The progress of the installation's own location, or of all locations of its company."""
    if row.user_type == UserType.COMPANY:
        return of_company(row.app_id, row.resource_id)
    return _of(row.app_id, Installation.objects.filter(pk=row.pk))


def of_company(app_id: int, company_id: str) -> AccountProgress:
    """The progress of the company's locations, which may be installed without the company, and its own."""
    locations = _of(app_id, Installation.objects.locations().filter(app=app_id, company_id=company_id))
    mine = Installation.objects.filter(app=app_id, user_type=UserType.COMPANY, resource_id=company_id)
    found = _accounts(app_id, list(_with_states(mine.not_uninstalled()).select_related("company")))
    return replace(locations, own=next((one for one in found if one.of), None))


def _of(app_id: int, rows: InstallationQuerySet) -> AccountProgress:
    mine = rows.not_uninstalled()
    found = _with_states(mine)
    numbers = dict(found.order_by().values_list("account_state").annotate(Count("pk")))
    first = list(found.order_by("rank", "location__name", "pk").select_related("location")[:SHOWN])
    return AccountProgress(
        total=sum(numbers.values()),
        connected=sum(number for state, number in numbers.items() if state != "waiting"),
        failing=sum(numbers.get(state, 0) for state in _TROUBLED),
        under_way=sum(numbers.get(state, 0) for state in _UNDER_WAY),
        accounts=_accounts(app_id, first),
    )


def _with_states(rows: QuerySet[Installation]) -> QuerySet[Any]:
    """The rows with `account_state` and its `rank`."""
    mine = {"app": OuterRef("app"), "location_id": OuterRef("resource_id"), "enabled": True}
    plans = Plan.objects.filter(**mine)
    newest = Run.objects.filter(plan=OuterRef("pk")).order_by("-pk").values("status")[:1]
    failing = plans.annotate(newest=Subquery(newest)).filter(newest=Run.Status.FAILED).values("pk")[:1]
    credential = Credential.objects.filter(
        app=OuterRef("app"), user_type=OuterRef("user_type"), resource_id=OuterRef("resource_id"), kind=OuterRef("kind")
    )
    state = Case(
        When(status=Installation.Status.PENDING, then=Value("waiting")),
        *(When(credential_now=value, then=Value(word)) for value, word in _CREDENTIALS.items()),
        When(failing__isnull=False, then=Value("failed")),
        When(Exists(plans.filter(synced_at=None)), then=Value("arriving")),
        default=Value("current"),
        output_field=CharField(),
    )
    ranks = [When(account_state=word, then=Value(place)) for place, word in enumerate(STATES)]
    # No EXISTS for what fails: PostgreSQL would look at the runs of all locations to answer it.
    stated = rows.annotate(credential_now=Subquery(credential.values("state")[:1]), failing=Subquery(failing))
    return stated.annotate(account_state=state).annotate(rank=Case(*ranks, output_field=IntegerField()))


def _accounts(app_id: int, rows: list[Any]) -> list[SubAccount]:
    plans = Plan.objects.filter(app=app_id, location_id__in=[row.resource_id for row in rows], enabled=True)
    by_location: dict[str, list[Progress]] = {}
    for plan in sync.progress(plans):
        by_location.setdefault(plan.location_id, []).append(plan)
    return [_account(row, by_location.get(row.resource_id, [])) for row in rows]


def _account(row: Any, plans: list[Progress]) -> SubAccount:
    tone, state, words = STATES[row.account_state]
    failed = [agency_words.resource(plan.resource, plan.error_code) for plan in plans if plan.status == "failed"]
    if row.account_state == "failed" and failed:
        words = f"{failed[0].what}. {failed[0].words} {failed[0].what_to_do}"
    return SubAccount(
        name=_name(row),
        tone=tone,
        state=state,
        words=words,
        fetching=list(_fetching(plans)) if row.account_state not in ("reconnect", "paused") else [],
        fetched=sum(plan.synced_at is not None for plan in plans),
        of=len(plans),
    )


def _name(row: Any) -> str:
    if row.user_type == UserType.COMPANY:
        return f"{(row.company.name if row.company else '') or row.resource_id} (the agency itself)"
    return (row.location.name if row.location else "") or str(row.resource_id)


def _fetching(plans: Iterable[Progress]) -> Iterable[str]:
    """What is read just now, with how far it is."""
    for plan in plans:
        if plan.status == Run.Status.RUNNING:
            far = f" {plan.seen:,} of {plan.total:,}" if plan.total else f" {plan.seen:,} so far" if plan.seen else ""
            yield f"{plan.title}{far}"
