"""A selection of records of one resource: typed, and by an index whatever it asks (`sync.resources.searchable`).

It says first whose records it is about (`for_tenant`), then which. What it gives are rows: the vendor's object under
`fields`, with the fields that `SEALED_FIELDS` names decrypted, and its custom fields by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Self, TypeVar, cast

from django.db.models import Q, QuerySet
from psycopg.types.json import Jsonb

from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant, UserType
from integrations.sync.models import Record
from integrations.sync.resources import RESOURCES
from integrations.sync.resources.searchable import CONTACT, EMAIL, NEWEST_FIRST, PHONE, TagKeys, has, tag_key
from integrations.sync.sealed_fields import FieldOpener
from integrations.sync.typed.custom_names import CustomNames
from integrations.tenants import marketplace
from integrations.tenants.models import App

Fields = TypeVar("Fields", bound=Mapping[str, Any])
_AT_ONCE = 500  # rows in memory while a selection is iterated over
# A tag of so many records of a location is frequent: it is not looked up. Of 100,000 records the newest 25 that have it
# are then among the newest 8,300.
_FREQUENT = 300
# OFFSET 0 keeps PostgreSQL from looking up the tag first.
_TAGGED = "SELECT * FROM ({newest} OFFSET 0) newest WHERE payload -> 'tags' @> %s::jsonb LIMIT %s"


@dataclass(frozen=True, slots=True)
class RecordRow(Generic[Fields]):
    """One record. `fields` is the vendor's object, `changed_at` when its copy changed here.

    `location_id` is the id of its location, or of its company if the resource is one of companies.
    """

    id: str
    location_id: str
    fields: Fields
    changed_at: datetime
    _names: CustomNames

    @property
    def custom(self) -> dict[str, Any]:
        """The custom fields by name, or by id where `custom_fields` is not synced."""
        return self._names.values(self.fields)


@dataclass(frozen=True, slots=True)
class RecordSelection(Generic[Fields]):
    """Records of one resource that are not deleted. Each method gives a narrower selection; iterating reads it."""

    resource: str
    app: App | None = None
    location_id: str = ""
    where: tuple[Q, ...] = ()
    tag: str = ""

    @classmethod
    def of(cls, resource: str) -> Self:
        """All records of the resource. Raises BadRequest for an unknown one."""
        if resource not in RESOURCES:
            raise BadRequest(f"there is no synced resource {resource!r}: `manage.py sync resources` lists them")
        return cls(resource)

    def for_tenant(self, tenant: Tenant, app: App | None = None) -> Self:
        """Those of a location or company, as this app synced them; without `app` the default one.

        Raises BadRequest for a tenant of the other kind than has such records.
        """
        if (level := RESOURCES[self.resource].level) is not tenant.user_type:
            near = "one of its locations" if level is UserType.LOCATION else "its company"
            raise BadRequest(f"{tenant} has no {self.resource}: ask for those of {near}")
        return replace(self, app=app or marketplace.default(), location_id=tenant.id)

    def by_email(self, email: str) -> Self:
        """Those with this e-mail address, in upper or lower case."""
        return self._narrowed(has(EMAIL, email.lower()))

    def by_phone(self, phone: str) -> Self:
        """Those with this phone number, written as the vendor writes it: `+15551234567`."""
        return self._narrowed(has(PHONE, phone))

    def of_contact(self, contact_id: str) -> Self:
        """Those that belong to this contact: its notes, tasks, appointments, opportunities."""
        return self._narrowed(has(CONTACT, contact_id))

    def tagged(self, tag: str) -> Self:
        """Those with this tag."""
        return replace(self, tag=tag)

    def changed_since(self, moment: datetime) -> Self:
        """Those whose copy changed here since the moment. For "since last time" use the change feed: it misses none."""
        return self._narrowed(Q(updated_at__gte=moment))

    def newest(self, number: int) -> list[RecordRow[Fields]]:
        """The latest by the vendor's date of creation, the newest first; records without a date come last."""
        return list(self._opened(self.newest_rows(number)))

    def get(self, record_id: str) -> RecordRow[Fields] | None:
        """The record with this id; None if there is none."""
        return next(self._opened(self.rows().filter(record_id=record_id)), None)

    def count(self) -> int:
        """How many records these are."""
        return self.rows().count()

    def __iter__(self) -> Iterator[RecordRow[Fields]]:
        return self._opened(self.rows().iterator(_AT_ONCE))

    def rows(self) -> QuerySet[Record]:
        """The selection as a queryset of Django, in no order. Raises BadRequest before `for_tenant`."""
        found = self._untagged()
        if not self.tag:
            return found
        wanted = {"tag_keys__contains": [tag_key(self.location_id, self.tag)]}
        return found.alias(tag_keys=TagKeys()).filter(**wanted)

    def newest_rows(self, number: int) -> Iterable[Record]:
        """The records that `newest` gives.

        A frequent tag is not looked up: the newest records are read until enough of them have it. The planner cannot
        choose so by itself, for it does not know that a tag's key and the location depend on each other.
        """
        rows = self.rows()
        if not self.tag or rows[:_FREQUENT].count() < _FREQUENT:
            return rows.order_by(*NEWEST_FIRST)[:number]
        newest, params = self._untagged().order_by(*NEWEST_FIRST).query.sql_with_params()
        return Record.objects.raw(_TAGGED.format(newest=newest), [*params, Jsonb([self.tag]), number])

    def _untagged(self) -> QuerySet[Record]:
        if self.app is None:
            raise BadRequest("say whose records: .for_tenant(tenant) comes first")
        mine = {"app": self.app, "location_id": self.location_id, "resource": self.resource}
        return Record.objects.filter(*self.where, **mine, deleted_at=None)

    def _narrowed(self, condition: Q) -> Self:
        return replace(self, where=(*self.where, condition))

    def _opened(self, rows: Iterable[Record]) -> Iterator[RecordRow[Fields]]:
        opener, names = FieldOpener(), CustomNames(self.app, (self.location_id,))
        for row in rows:
            fields = cast(Fields, opener.payload(row))
            yield RecordRow(row.record_id, row.location_id, fields, row.updated_at, names)
