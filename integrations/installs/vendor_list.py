"""The vendor's list of installed locations (FACTS 1.8): read whole, asked for one location, and recorded here.

A reading is older than every event that was handled since it began, so it only adds what is missing and keeps what the
list says of a location: name, version, plan. It moves a location from another company only when no event or grant ever
named that company. Otherwise the company is noted as a rival, and the other company's list decides by a call.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.errors import GrantRevoked, InstallGone, LocationInactive, ScopeMissing
from integrations.gateway import client as gateway
from integrations.gateway.client import Page
from integrations.highlevel.errors import AccessTokenRejected
from integrations.installs import details, register
from integrations.installs.decide import Kind, TimedNotice
from integrations.installs.register import Doubt, InstallNotice, Origin, Status
from integrations.quota.permits import queries as quota
from integrations.quota.permits.lanes import Lane
from integrations.tenants import history
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import App, Installation
from integrations.tokens import store

_AHEAD = 0.9  # of the time between two permits: a few tasks wait for theirs, so that none is left unused
_LONGEST = timedelta(hours=1)  # after this a reading begins anew
_OTHERS = 20  # companies that are asked for a location that left its company's list
# The company's list cannot be read: its grant is dead, lacks the scope, or never came.
UNREADABLE = (GrantRevoked, InstallGone, ScopeMissing, AccessTokenRejected, LocationInactive)
INSTALLED_LOCATIONS = "oauth.get-installed-location"
Item = dict[str, Any]


@dataclass
class Reading:
    """One reading of a company's list. It goes on where it stopped, in the same worker or in another one.

    A reading needs a permit for each page, and gives its worker up when there is none. The company's row keeps how far
    it has come (`Installation.reading`), and each location when it was last listed (`Installation.listed_at`). After a
    notice about the company a reading begins anew.
    """

    company: Installation
    began: datetime
    pages: int = 0
    cursor: dict[str, Any] | None = None
    last_due: datetime | None = None  # of the new locations so far

    @classmethod
    def of(cls, company: Installation) -> Reading:
        """The reading that is under way, else a new one."""
        kept, now = company.reading, clock.now()
        if kept is None or kept["revision"] != company.revision:
            return cls(company, now)
        began = datetime.fromisoformat(kept["began"])
        if now - began > _LONGEST:
            return cls(company, now)
        last_due = datetime.fromisoformat(kept["last_due"]) if kept["last_due"] else None
        return cls(company, began, kept["pages"], kept["cursor"], last_due)

    def go_on(self) -> Iterator[None]:
        """Record page after page, to the end."""
        if self.pages and self.cursor is None:
            return
        pace = _Pace(self)
        for page in _pages(self.company, self.cursor):
            items = _installed(page)
            record(self.company, items, began=self.began, pace=pace)
            self.pages, self.cursor, self.last_due = self.pages + 1, page.next, pace.last_due
            with transaction.atomic():
                self._note_listed(items)
                Installation.objects.filter(pk=self.company.pk).update(reading=self._kept())
            yield

    def _note_listed(self, items: list[Item]) -> None:
        """Note that the locations are listed. So the company's token can mint for those that lost theirs."""
        app, company_id, ids = self.company.app, self.company.resource_id, [item["_id"] for item in items]
        rows = Installation.objects.locations().filter(app=app, company_id=company_id, resource_id__in=ids)
        rows.update(listed_at=self.began)
        store.make_lost_due(app, company_id, ids, now=clock.now())

    def _kept(self) -> dict[str, Any]:
        return {
            "revision": self.company.revision,
            "began": self.began.isoformat(),
            "pages": self.pages,
            "cursor": self.cursor,
            "last_due": self.last_due.isoformat() if self.last_due else None,
        }


class _Pace:
    """Due times of new locations: each when the permit for its token is likely to be free.

    The tokens of an agency's locations are minted in the agency's quota. Due all at once, thousands of tasks would ask
    for a permit and wait in the queue of parked tasks; in turns, most get theirs at once.
    """

    def __init__(self, reading: Reading) -> None:
        self._company, self.last_due = reading.company, reading.last_due
        self._times: Iterator[datetime] | None = None

    def next_due(self) -> datetime:
        """The due time of the next new location. The quota's limit is known from the answer that listed it."""
        if self._times is None:
            self._times = self._due_times()
        self.last_due = next(self._times)
        return self.last_due

    def _due_times(self) -> Iterator[datetime]:
        state, now = quota.snapshot(self._company.app.client_id, self._company.resource_id), clock.now()
        gap = timedelta(milliseconds=state.interval_ms / max(1, state.limit)) * _AHEAD
        begins, free = (now, state.free) if self.last_due is None else (max(now, self.last_due), 0)
        return (begins + gap * max(0, number - free) for number in itertools.count(1))


def _pages(company: Installation, start: dict[str, Any] | None = None, **only: str) -> Iterator[Page]:
    """The list from the cursor `start`, page by page. `only` narrows it by the vendor's parameters."""
    params = {"appId": company.app.highlevel_id, "isInstalled": True, **only}
    return gateway.pages(
        INSTALLED_LOCATIONS,
        start=start,
        app=company.app,
        company=company.resource_id,
        params=params,
        lane=Lane.EVENTS,
    )


def _installed(page: Page) -> list[Item]:
    """The locations of a page on which the app is installed."""
    return [item for item in page.items if item.get("isInstalled", True) and item.get("_id")]


def one(company: Installation, location_id: str) -> Item | None:
    """What the company's list says of one location, None when it is not in the list. One call."""
    found = (item for page in _pages(company, locationId=location_id) for item in _installed(page))
    return next((item for item in found if item["_id"] == location_id), None)


def find_agency(row: Installation) -> tuple[Installation, Item] | None:
    """The company whose list has this location, whose company no notice named. Each company is asked once.

    An INSTALL without a company comes for a new location of an agency that chose future locations (FACTS 3.4), so only
    agencies are asked, one call each. The row keeps how far this has come: neither a repetition of the event nor a
    retry asks a company again. Later additions are found by the companies' own listings.
    """
    for company in _agencies(row.app).filter(pk__gt=row.agencies_asked_to).order_by("pk"):
        item = one(company, row.resource_id)
        if item is not None:
            return company, item
        row.agencies_asked_to = company.pk
        Installation.objects.filter(pk=row.pk).update(agencies_asked_to=company.pk)
    return None


def find_other_agency(row: Installation) -> Installation | None:
    """Another company whose list has the location, which its own company's list lacks. One call for each of a few.

    Raises the vendor's temporary errors and QuotaExhausted. A list that cannot be read says nothing.
    """
    others = _companies(row.app).exclude(resource_id=row.company_id or "").order_by("-pk")
    company: Installation
    for company in others[:_OTHERS]:
        with suppress(*UNREADABLE):
            if one(company, row.resource_id) is not None:
                return company
    return None


def record(company: Installation, items: list[Item], *, began: datetime, pace: _Pace) -> None:
    """Record one page of the company's list, whose reading began at `began`. `pace` says when new locations are due."""
    rows = Installation.objects.locations().filter(app=company.app, resource_id__in=[item["_id"] for item in items])
    known = {row.resource_id: row for row in rows.select_related("app", "company", "location")}
    for item in items:
        row = known.get(item["_id"])
        if row is None or row.status == Status.UNINSTALLED:
            take(company, item, began=began, vacant=True, due_at=pace.next_due())
        elif not _belongs(company, row):
            _claim(company, row, item, began)
        elif row.status == Status.PENDING:
            take(company, item, began=began, due_at=pace.next_due())
        elif row.parent_id != company.pk:
            take(company, item, began=began)
        else:
            _describe(row, item, began)


def take(
    company: Installation, item: Item, *, began: datetime, vacant: bool = False, due_at: datetime | None = None
) -> None:
    """Register a listed location with the company, if the notice counts (`installs.decide`).

    `vacant`: the app is not installed there as far as is known here, so the company that events named has no say.
    `due_at`: when the location is to be connected, now unless given.
    """
    # A company that was installed again here brings its locations back, also those that an operator removed with it.
    times = [time for time in (details.moment(item.get("installedAt")), company.changed_at) if time is not None]
    notice = InstallNotice(
        TimedNotice(Kind.LISTED, began, installed_at=max(times, default=None)),
        origin=Origin.BULK,
        status=Status.PENDING,
        parent=company,
        details=_details(item),
        due_at=due_at,
    )
    with transaction.atomic():
        register.installed(
            register.location_target(
                company.app, item["_id"], company_id=company.resource_id, name=_name(item), vacant=vacant
            ),
            notice,
        )


def _companies(app: App) -> InstallationQuerySet:
    return Installation.objects.installed().companies().select_related("app").filter(app=app)


def _agencies(app: App) -> InstallationQuerySet:
    return _companies(app).filter(is_bulk=True)


def _belongs(company: Installation, row: Installation) -> bool:
    return row.company_id in (None, company.resource_id)


def _claim(company: Installation, row: Installation, item: Item, began: datetime) -> None:
    """The list has a live location of another company: take it, or note the company as rival and ask the other one.

    Nothing but the lists may tell of a transfer (FACTS 17).
    """
    if row.location is None or row.location.stated_at is None:
        take(company, item, began=began)
    elif row.rival_id != company.pk:
        _keep(row, item, began)
        live = Installation.objects.filter(pk=row.pk)
        live.update(rival=company)
        live.filter(doubt="").ask_vendor(Doubt.RIVAL, now=clock.now())


def _describe(row: Installation, item: Item, began: datetime) -> None:
    """The list has a location that is here already: that ends a doubt."""
    if row.doubt in (Doubt.UNLISTED, Doubt.VANISHED):
        Installation.objects.filter(pk=row.pk, revision=row.revision).confirm_installed(at=began)
    _keep(row, item, began)


def _keep(row: Installation, item: Item, began: datetime) -> None:
    """Keep what the list says of a location; writes only what changed."""
    if row.location is not None:
        register.set_name(row.location, _name(item))
    if details.describe(row, _details(item), at=began):
        with transaction.atomic():
            fresh = Installation.objects.select_for_update(no_key=True).not_uninstalled().filter(pk=row.pk).first()
            before = details.describe(fresh, _details(item), at=began) if fresh else {}
            if fresh is None or not before:
                return
            fresh.save(update_fields=[*before, *details.TIMES])
            history.add(*details.changes(fresh, before, at=began))


def _details(item: Item) -> dict[str, Any]:
    return {"version_id": details.text(item, "versionId"), "plan_id": details.text(item, "planId")}


def _name(item: Item) -> str:
    return str(item.get("name") or "")
