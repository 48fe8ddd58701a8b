"""Compares rows with the synced copy, and with one record of the vendor: does a record say what the row says?

The record of a row is found as the vendor finds it: a contact by its e-mail address or else its telephone number, all
else by the id that the call names. A field counts as equal when it is certain: what is written in two ways, such as a
number without its country, counts as another value, and the row is sent. So a row that is skipped would have changed
nothing, as far as the copy is up to date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.core.tenant import UserType
from integrations.gateway.target import Target
from integrations.highlevel.catalogue import catalogue
from integrations.sync.models import Plan, Record
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.resources.contacts import CONTACTS
from integrations.sync.resources.searchable import EMAIL, PHONE, has
from integrations.sync.sealed_fields import FieldOpener
from integrations.upserts.models import Upsert
from integrations.upserts.upsert_key import RowContent

_UPSERTS = {("POST", "/contacts/upsert"): CONTACTS, ("POST", "/opportunities/upsert"): RESOURCES["opportunities"]}
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_CUSTOM_VALUES = ("field_value", "fieldValue", "value")
_NO_DIGITS = re.compile(r"[^\d]")


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """A record of the copy, open."""

    record_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordMatcher:
    """How rows of an operation find their record. `parameter`: the one that names it; empty: the field `id`."""

    resource: Resource
    parameter: str = ""

    @property
    def by_person(self) -> bool:
        """Whether contacts are found by address and number."""
        return not self.parameter and self.resource is CONTACTS

    def identity(self, content: RowContent) -> str:
        """What the vendor finds the record by, the same for two rows of one record; empty if it makes a new one."""
        if self.by_person:
            email, phone = _email(content.body.get("email")), _phone(content.body.get("phone"))
            return f"email {email}" if email else f"phone {phone}" if phone else ""
        value = content.params.get(self.parameter) if self.parameter else content.body.get("id")
        return f"id {value}" if value else ""

    def in_copy(self, upsert: Upsert, contents: Sequence[RowContent]) -> list[CopyRecord | None]:
        """The record of each row in the synced copy; None where there is none, or more than one."""
        if upsert.level != UserType.LOCATION:
            return [None] * len(contents)
        mine = Record.objects.filter(
            app=upsert.app_id, location_id=upsert.tenant_id, resource=self.resource.name, deleted_at=None
        )
        return self._persons(mine, contents) if self.by_person else self._by_id(mine, contents)

    def is_like(self, content: RowContent, record: Mapping[str, Any], tenant: Mapping[str, str]) -> bool:
        """Whether the record has all values of the row."""
        given = {**content.body, **{name: value for name, value in content.params.items() if name != self.parameter}}
        return all(
            _is_equal(name, value, record) for name, value in given.items() if tenant.get(name, object()) != value
        )

    def _by_id(self, mine: Any, contents: Sequence[RowContent]) -> list[CopyRecord | None]:
        wanted = [self.identity(content).removeprefix("id ") for content in contents]
        found = _opened(mine.filter(record_id__in={one for one in wanted if one}))
        by_id = {record.record_id: record for record in found}
        return [by_id.get(one) for one in wanted]

    def _persons(self, mine: Any, contents: Sequence[RowContent]) -> list[CopyRecord | None]:
        emails = {email for content in contents if (email := _email(content.body.get("email")))}
        phones = {phone for content in contents if (phone := _phone(content.body.get("phone")))}
        by_email = _groups(_opened(mine.filter(has(EMAIL, *emails))) if emails else (), "email", _email)
        by_phone = _groups(_opened(mine.filter(has(PHONE, *phones))) if phones else (), "phone", _phone)
        return [_person(content, by_email, by_phone) for content in contents]


def matcher_of(target: Target) -> RecordMatcher | None:
    """How rows of this operation find their record; None when nothing is known of it, so that every row is sent."""
    operation = target.operation
    known = _UPSERTS.get((operation.method, operation.path)) if target.listed else None
    if known is not None:
        return RecordMatcher(known)
    if operation.method not in ("PUT", "PATCH") or not target.listed:
        return None
    for resource in RESOURCES.values():
        single = resource.single
        if single is None or single.others:
            continue
        found = catalogue("v2").find(single.operation) or catalogue("v3").find(single.operation)
        if found is not None and found.path == operation.path:
            return RecordMatcher(resource, single.parameter)
    return None


def copy_read_at(upsert: Upsert, matcher: RecordMatcher | None) -> str:
    """When the copy of the resource was last read from the vendor (ISO 8601); empty when it is not kept."""
    if matcher is None or upsert.level != UserType.LOCATION:
        return ""
    mine = Plan.objects.filter(
        app=upsert.app_id, location_id=upsert.tenant_id, resource=matcher.resource.name, variant=""
    )
    plan = mine.filter(synced_at__isnull=False).first()
    return plan.synced_at.isoformat(timespec="seconds") if plan is not None and plan.synced_at is not None else ""


def _person(
    content: RowContent, by_email: Mapping[str, list[CopyRecord]], by_phone: Mapping[str, list[CopyRecord]]
) -> CopyRecord | None:
    """The contact with this address, or without one with this number. Two of them, or a number that is another
    contact's, are for the vendor to decide about."""
    same = by_email.get(_email(content.body.get("email")), [])
    others = by_phone.get(_phone(content.body.get("phone")), [])
    found = same or others
    one = found[0] if len(found) == 1 else None
    return None if one is None or any(other.record_id != one.record_id for other in others) else one


def _groups(records: Iterable[CopyRecord], field: str, normal: Any) -> dict[str, list[CopyRecord]]:
    groups: dict[str, list[CopyRecord]] = {}
    for record in records:
        groups.setdefault(normal(record.payload.get(field)), []).append(record)
    return groups


def _opened(rows: Any) -> list[CopyRecord]:
    opener = FieldOpener()
    return [CopyRecord(row.record_id, opener.payload(row)) for row in rows]


def _is_equal(name: str, given: Any, record: Mapping[str, Any]) -> bool:
    known = record.get(name)
    if given in _EMPTY and known in _EMPTY:
        return True
    normal = _NORMAL.get(name)
    if normal is not None:
        return bool(normal(given) == normal(known))
    if name == "customFields":
        return _has_custom(given, known)
    if name == "name" and known is None:
        known = " ".join(part for part in (record.get("firstName"), record.get("lastName")) if part)
    return _same(given, known)


def _same(given: Any, known: Any) -> bool:
    """Equal as JSON. A number may be written as a text, and true is no number."""
    if isinstance(given, bool) or isinstance(known, bool):
        return given is known
    if isinstance(given, int | float) and isinstance(known, str):
        return str(given) == known
    if isinstance(known, int | float) and isinstance(given, str):
        return str(known) == given
    return bool(given == known)


def _has_custom(given: Any, known: Any) -> bool:
    """Whether each custom field that the row names by its id has the row's value."""
    if not isinstance(given, list) or not isinstance(known, list):
        return False
    values = {entry.get("id"): entry.get("value") for entry in known if isinstance(entry, Mapping)}
    for entry in given:
        if not isinstance(entry, Mapping) or not entry.get("id"):
            return False
        value = next((entry[word] for word in _CUSTOM_VALUES if word in entry), None)
        if not (value in _EMPTY and values.get(entry["id"]) in _EMPTY) and not _same(value, values.get(entry["id"])):
            return False
    return True


def _tags(value: Any) -> Any:
    """In lower case and without order, as the vendor keeps them."""
    return {tag.strip().lower() for tag in value if isinstance(tag, str)} if isinstance(value, list) else value


def _email(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _phone(value: Any) -> str:
    """In the vendor's form if it says its country, else the digits as they are."""
    if not isinstance(value, str):
        return ""
    digits = _NO_DIGITS.sub("", value)
    return f"+{digits}" if digits and value.strip().startswith("+") else digits


_NORMAL: dict[str, Callable[[Any], Any]] = {"email": _email, "phone": _phone, "tags": _tags}
