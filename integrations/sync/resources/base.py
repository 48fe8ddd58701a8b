"""`Resource`: the definition of one synced resource. Each module beside this one has one or more of them.

A resource is data and pure functions: how to request its pages, what identifies and dates a row, and what a webhook
says about it. It does no I/O, so runs (`sync.runs`) and records (`sync.records`) treat all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal

from integrations.core.tenant import Tenant, UserType
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.pagination.pages import Style
from integrations.highlevel.pagination.styles import style_of
from integrations.sync.resources.dates import moment
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.windows import Windows

Json = dict[str, Any]

HOURLY = timedelta(hours=1)  # what is set up once and seldom changed
SOMETIMES = timedelta(hours=6)  # long lists without a filter for changes: each run reads all of their pages
PAGE_SIZE = 100  # the most that every paged operation accepts: as many rows as possible for one call of the quota
LONGEST_ID = 64  # Record.record_id; the vendor's ids have 20 or 24 characters
# The part of a flat webhook that is about the event and not about the record (FACTS 3.3).
ENVELOPE = frozenset({"type", "timestamp", "webhookId", "deliveryId", "appId", "versionId", "companyId"})


@dataclass(frozen=True, slots=True)
class ListingRequest:
    """The arguments of one listing; the gateway's pagination adds the cursor of each page."""

    params: Mapping[str, Any] | None = None
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The change that one webhook reports: a record was created, has these fields since `at`, or is deleted since then.

    `payload` is partial: the vendor leaves fields without a value out. `created_at` dates a creation.
    """

    class Kind(Enum):
        """What happened to the record."""

        CREATED = "created"
        UPDATED = "updated"
        DELETED = "deleted"

    record_id: str
    payload: Json
    at: datetime
    kind: Kind
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """How to ask for one record: the operation, its parameter for the id, and the object's name in the answer.

    An empty `name` means that the answer is the object. `others` maps further parameters to the fields of the record
    that have their values, such as the contact of a note.
    """

    operation: str
    parameter: str
    name: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parent:
    """The resource that another one is listed below, record by record.

    `parameter` of the child's operation takes the parent's `field`, its id unless given. A row that does not name its
    parent gets that value under `named`, which is the parameter's name unless given. A parent whose field `unless` is
    true has no children.

    `by_change`: there may be so many parents that not all are visited each time. Their ids come from the synced copy,
    and a run visits those that changed there since the last one, within the plan's calls of a day.
    """

    resource: Resource
    parameter: str
    field: str = ""
    named: str = ""
    unless: str = ""
    by_change: bool = False

    def value(self, row: Mapping[str, Any]) -> str | None:
        """What the child's operation is asked with for this parent; None if the row does not say."""
        if self.unless and row.get(self.unless):
            return None
        if not self.field:
            return self.resource.record_id(row)
        found = row.get(self.field)
        return found if isinstance(found, str) and found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of record and its listing. Nearly all of it follows from the operation.

    `level` says whose records these are: a location's, or a company's, which are listed with the company's own token.

    The catalogue has the operation's scopes, its page style and the names that stand for the tenant, which the gateway
    fills in. `params` and `body` are what the listing asks for besides. `full(tenant_id)` replaces these two;
    `since(tenant_id, moment)` asks for what changed after a moment. Without `since` every run is a full one. `whole`
    is the path of the list in the answer of an operation that does not page; with `only_one` of the one object there.
    `single` asks for one record; without it a record counts as deleted when two listings lack it. `every` is the wait
    between two runs, `full_every` that between two full ones. `counts` is false where the vendor's total may count
    something else than what is listed. `default`: it is synced unless an operator chooses otherwise.

    `ids` are the fields that may hold a row's id. `noise` are fields of a row that are not stored. Some say nothing
    about the record. Others are copies of another object: the vendor changes them without a new date of the row, so no
    incremental run would show the change. `copies` are such fields that are stored all the same, because apps want
    them: they are as old as the row, or as the last run that read everything.

    `below`: it is listed apart below each row of another listing. `windows`: it is listed window by window, because the
    operation wants a range of time. `argument_sets`: it is listed once with each of them. `needs_company`: the request
    names the location's company too. `elsewhere` says how another API lists the resource: what differs there,
    or None if it cannot. API 1.0 lists only what is named there (FACTS section 16); v3 lists all else as API 2.0 does.
    `api` is the API that the other fields are about.

    `creates`, `updates` and `deletes` are webhook types. `event_object` names the object in the payload that is the
    record, empty if the payload is. `renames` maps a webhook's field names to the listing's where the vendor has two
    names for one field; `event_noise` are fields that a webhook has in another form. `recheck` are webhook types that
    say too little: they make the next run come soon.

    `filters` are those of the listing that may be chosen. `narrowed_by` are the chosen ones with their values, and
    `cannot_filter` names chosen ones that this API does not have.
    """

    name: str
    operation: str
    level: UserType = UserType.LOCATION
    every: timedelta = HOURLY
    full_every: timedelta = timedelta(days=1)
    counts: bool = True
    default: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    full: Callable[[str], ListingRequest] | None = None
    since: Callable[[str, datetime], ListingRequest] | None = None
    whole: str = ""
    only_one: bool = False
    single: Single | None = None
    below: Parent | None = None
    windows: Windows | None = None
    argument_sets: tuple[Mapping[str, Any], ...] = ()
    needs_company: bool = False
    elsewhere: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    api: str = "v2"
    ids: tuple[str, ...] = ("id", "_id")
    version_fields: tuple[str, ...] = ("dateUpdated", "updatedAt")
    noise: frozenset[str] = frozenset({"searchAfter"})
    copies: frozenset[str] = frozenset()
    creates: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    recheck: frozenset[str] = frozenset()
    event_object: str = ""
    event_noise: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[ListingFilter, ...] = ()
    narrowed_by: tuple[tuple[ListingFilter, str], ...] = ()
    cannot_filter: tuple[str, ...] = ()

    @property
    def events(self) -> frozenset[str]:
        """All webhook types that change records of the resource."""
        return self.creates | self.updates | self.deletes

    def is_changed_by(self, event_type: str) -> bool:
        """Whether such a webhook changes records of the resource."""
        return event_type in self.creates or event_type in self.updates or event_type in self.deletes

    @property
    def kind(self) -> Literal["location", "company"]:
        """The kind of tenant that has such records, as the catalogue calls it."""
        return self.tenant("").kind

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant with this id that has such records."""
        return Tenant(self.level, tenant_id)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the tenant has to grant. Empty when the vendor's files name none, and in API 1.0."""
        found = None if self.api == "1.0" else catalogue("v3" if self.api == "v3" else "v2").find(self.operation)
        return next(iter(found.scopes(self.kind)), frozenset()) if found else frozenset()

    @property
    def style(self) -> Style | None:
        """How the listing pages; None when it comes whole."""
        return None if self.api == "1.0" else style_of(self.operation, "v3" if self.api == "v3" else "v2")

    @property
    def page_size(self) -> str:
        """The name of the parameter for the page size; empty if there is none."""
        return self.style.size if self.style else ""

    @property
    def is_split(self) -> bool:
        """Whether there are several listings, one after the other, instead of one."""
        return self.below is not None or self.windows is not None or bool(self.argument_sets)

    @property
    def is_visited(self) -> bool:
        """Whether it is read below single records that changed, within calls of a day (`sync.visits`)."""
        return self.below is not None and self.below.by_change

    @property
    def has_total(self) -> bool:
        """Whether one answer counts all records, so that the copy's count can be compared with it."""
        return bool(self.counts and self.page_size and self.style and self.style.total) and not self.is_split

    def on(self, api_name: str) -> Resource | None:
        """The resource as this API lists it, None if it cannot."""
        changes = self.elsewhere.get(api_name, None if api_name == "1.0" else {})
        if changes is None:
            return None
        here = replace(self, api=api_name, **changes)
        if here.below is None:
            return here
        parent = here.below.resource.on(api_name)
        return None if parent is None else replace(here, below=replace(here.below, resource=parent))

    def at_intervals_of(self, every: timedelta) -> Resource:
        """The resource with another wait between two runs. Everything is read no more often than that."""
        return replace(self, every=every, full_every=max(self.full_every, every))

    def narrowed(self, chosen: Mapping[str, str]) -> Resource:
        """The resource with the listing narrowed by these filters, by parameter."""
        here = {one.parameter: one for one in self.filters}
        found = tuple((here[name], value) for name, value in sorted(chosen.items()) if name in here)
        return replace(self, narrowed_by=found, cannot_filter=tuple(sorted(set(chosen) - here.keys())))

    def fits(self, row: Mapping[str, Any]) -> bool | None:
        """Whether a row fits the chosen filters; None where it does not say of one of them."""
        said = [one.fits(row, value) for one, value in self.narrowed_by]
        return False if False in said else None if None in said else True

    def request(self, tenant_id: str, since: datetime | None) -> ListingRequest:
        """The request of a run; `since=None` for a full one."""
        found = self._unfiltered(tenant_id, since)
        params, body = found.params or {}, found.body
        for one, value in self.narrowed_by:
            params, body = one.narrowed(params, body, value)
        return replace(found, params=params, body=body) if self.narrowed_by else found

    def _unfiltered(self, tenant_id: str, since: datetime | None) -> ListingRequest:
        if since is not None and self.since is not None:
            return self.since(tenant_id, since)
        if self.full is not None:
            return self.full(tenant_id)
        in_body = self.body is not None or (self.style is not None and self.style.part == "body")
        return ListingRequest(params=dict(self.params), body=dict(self.body or {}) if in_body else None)

    def parts(self, at: datetime) -> Sequence[Mapping[str, Any]]:
        """The arguments that the listing is asked for with, one after the other, in a run that started at this moment.

        Empty when it is asked for once.
        """
        return self.windows.of(at) if self.windows is not None else self.argument_sets

    def count_request(self, tenant_id: str) -> ListingRequest:
        """The cheapest request for the vendor's total: the first row of everything."""
        full, one = self.request(tenant_id, None), {self.page_size: 1}
        if full.body is None:
            return replace(full, params={**(full.params or {}), **one})
        return replace(full, body={**full.body, **one})

    def is_in(self, row: Mapping[str, Any], tenant_id: str) -> bool:
        """Whether a row that was asked for by its id is a record of this tenant and not deleted.

        Users belong to several locations, and an answer about one names them all.
        """
        if self.level is UserType.COMPANY:
            return row.get("companyId", tenant_id) in (tenant_id, None) and row.get("deleted") is not True
        roles = row.get("roles")
        locations = roles.get("locationIds") if isinstance(roles, Mapping) else None
        if isinstance(locations, list) and locations and tenant_id not in locations:
            return False
        return row.get("locationId", tenant_id) in (tenant_id, None) and row.get("deleted") is not True

    def record_id(self, row: Mapping[str, Any]) -> str | None:
        """The row's id; None when it has no valid one (some older objects call it `_id`)."""
        for name in self.ids:
            value = row.get(name)
            if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable():
                return value
        return None

    def version_at(self, row: Mapping[str, Any]) -> datetime | None:
        """The vendor's date of the row's last change; None when the row has none."""
        found = (moment(row.get(name)) for name in self.version_fields)
        return next((at for at in found if at is not None), None)

    def payload(self, row: Mapping[str, Any]) -> Json:
        """The stored form of a row of the listing."""
        return {name: value for name, value in row.items() if name not in self.noise}

    def change(
        self, event_type: str, event: Mapping[str, Any], occurred_at: datetime, latest: datetime
    ) -> Change | None:
        """The change that a webhook reports; None for a type of another resource, or without an id.

        `occurred_at` dates an event whose record carries no date of its own; no date is taken to be after `latest`.
        """
        said = event.get(self.event_object) if self.event_object else event
        if not self.is_changed_by(event_type) or not isinstance(said, Mapping):
            return None
        named = {self.renames.get(name, name): value for name, value in said.items() if name not in ENVELOPE}
        record_id = self.record_id(named)
        if record_id is None:
            return None
        kept = {name: value for name, value in named.items() if name not in self.noise | self.event_noise}
        if event_type in self.deletes:  # a deleted record's own date is that of its last change, before the deletion
            return Change(record_id, kept, min(occurred_at, latest), Change.Kind.DELETED)
        at = min(self.version_at(named) or occurred_at, latest)
        if event_type in self.updates:
            return Change(record_id, kept, at, Change.Kind.UPDATED)
        # Without a timestamp the event is dated by its receipt, which may be long after the creation (FACTS 3.4).
        is_dated = event.get("timestamp") is not None
        created_at = (
            occurred_at if is_dated else moment(named.get("dateAdded") or named.get("createdAt")) or occurred_at
        )
        return Change(record_id, kept, at, Change.Kind.CREATED, min(created_at, latest))
