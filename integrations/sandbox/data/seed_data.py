"""Seeded data of one location: contacts and, in proportion to them, opportunities and activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.records import (
    Calendar,
    Contact,
    CustomField,
    Opportunity,
    Pipeline,
    Stage,
    Tag,
)
from integrations.sandbox.data.seed_activity import fill_activity
from integrations.sandbox.data.seed_words import (
    CALENDARS,
    CITIES,
    COMPANY_NAMES,
    CONTACT_FIELDS,
    DOMAINS,
    FIRST_NAMES,
    LAST_NAMES,
    OPPORTUNITY_FIELDS,
    PIPELINES,
    SOURCES,
    STAGES,
    STREETS,
    TAGS,
)
from integrations.sandbox.data.world import Location
from integrations.sandbox.timestamps import DAY, HOUR, iso

SPREAD = 2 * 365 * DAY
CONTACTS_PER_OPPORTUNITY = 5
PHONES = 78_900
STATUSES = ("open", "open", "open", "won", "lost", "abandoned")


def fill(location: Location, ids: Ids, *, contacts: int, until: int) -> None:
    """Add seeded data to a location, up to the time `until` (milliseconds since 1970)."""
    _pipelines(location, ids)
    _fields_and_tags(location, ids)
    _calendars(location, ids)
    # Oldest first, so that the store's default order is built from sorted keys.
    dates = sorted(ids.random.choices(range(until - SPREAD, until), k=contacts))
    first = ids.random.randrange(PHONES)
    for number, added_at in enumerate(dates, start=first):
        location.contacts.add(contact(location, ids, phone(number), added_at=added_at, until=until))
    for owner in _sample(list(location.contacts.values()), ids, contacts // CONTACTS_PER_OPPORTUNITY):
        location.opportunities.add(opportunity(location, ids, owner, until=until))
    fill_activity(location, ids, until=until)


def phone(number: int) -> str:
    """The `number`th of the PHONES fictitious numbers, +1 NXX 555 01xx; neighbours look unrelated."""
    area, line = divmod(number * 7919 % PHONES, 100)
    return f"+1{201 + area}55501{line:02d}"


def contact(location: Location, ids: Ids, number: str, *, added_at: int, until: int) -> Contact:
    """One seeded contact."""
    pick = ids.random
    first, last = pick.choice(FIRST_NAMES), pick.choice(LAST_NAMES)
    city, state, country, postal_code, timezone = pick.choice(CITIES)
    contact_id = ids.new()
    return Contact(
        id=contact_id,
        location_id=location.id,
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{contact_id[:5]}@{pick.choice(DOMAINS)}".lower(),
        phone=number if pick.random() < 0.8 else None,
        company_name=pick.choice(COMPANY_NAMES) if pick.random() < 0.3 else None,
        address1=f"{pick.randint(1, 99)} {pick.choice(STREETS)}" if pick.random() < 0.6 else None,
        city=city,
        state=state,
        country=country,
        postal_code=postal_code,
        timezone=timezone,
        source=pick.choice(SOURCES),
        type="customer" if pick.random() < 0.2 else "lead",
        assigned_to=pick.choice(list(location.users)) if location.users and pick.random() < 0.5 else None,
        dnd=pick.random() < 0.03,
        tags=tuple(pick.sample(TAGS, pick.choice((0, 1, 1, 2, 3)))),
        custom_fields=_custom_values(location, ids, "contact"),
        added_at=added_at,
        updated_at=_later(ids, added_at, until),
    )


def opportunity(location: Location, ids: Ids, owner: Contact, *, until: int) -> Opportunity:
    """One seeded opportunity."""
    pick = ids.random
    pipeline = pick.choice(list(location.pipelines.values()))
    added_at = pick.randint(owner.added_at, until)
    return Opportunity(
        id=ids.new(),
        location_id=location.id,
        contact_id=owner.id,
        name=owner.name,
        pipeline_id=pipeline.id,
        stage_id=pick.choice(pipeline.stages).id,
        status=pick.choice(STATUSES),
        value=pick.randint(1, 200) * 50,
        assigned_to=owner.assigned_to,
        source=owner.source,
        custom_fields=_custom_values(location, ids, "opportunity"),
        added_at=added_at,
        updated_at=(updated_at := _later(ids, added_at, until)),
        status_changed_at=updated_at,
        stage_changed_at=updated_at,
    )


def _later(ids: Ids, added_at: int, until: int) -> int:
    # Half were not changed after the day on which they were added.
    return added_at + min(HOUR, until - added_at) if ids.random.random() < 0.5 else ids.random.randint(added_at, until)


def _sample(rows: Sequence[Contact], ids: Ids, count: int) -> list[Contact]:
    return ids.random.sample(rows, min(count, len(rows)))


def _pipelines(location: Location, ids: Ids) -> None:
    for name in PIPELINES:
        stages = tuple(Stage(ids.uuid(), stage, position) for position, stage in enumerate(STAGES))
        pipeline = Pipeline(ids.new(), name, stages)
        location.pipelines[pipeline.id] = pipeline


def _fields_and_tags(location: Location, ids: Ids) -> None:
    for model, fields in (("contact", CONTACT_FIELDS), ("opportunity", OPPORTUNITY_FIELDS)):
        for position, (name, data_type, options) in enumerate(fields):
            key = f"{model}.{name.lower().replace(' ', '_')}"
            field = CustomField(ids.new(), location.id, name, key, data_type, model, position, options=options)
            location.custom_fields[field.id] = field
    for name in TAGS:
        tag = Tag(ids.new(), location.id, name)
        location.tags[tag.id] = tag


def _calendars(location: Location, ids: Ids) -> None:
    group_id = ids.new()
    for name in CALENDARS:
        slug = f"{name.lower().replace(' ', '-')}-{location.id[:6].lower()}"
        calendar = Calendar(
            id=ids.new(),
            location_id=location.id,
            name=name,
            slug=slug,
            group_id=group_id,
            slot_minutes=30,
            user_ids=tuple(location.users),
        )
        location.calendars[calendar.id] = calendar


VALUES: dict[str, Callable[[Ids, CustomField], Any]] = {
    "NUMERICAL": lambda ids, _field: ids.random.randint(1, 40) * 250,
    "SINGLE_OPTIONS": lambda ids, field: ids.random.choice(field.options),
    "MULTIPLE_OPTIONS": lambda ids, field: list(ids.random.sample(field.options, 2)),
    "TEXT": lambda ids, _field: ids.random.choice(LAST_NAMES),
    "DATE": lambda ids, _field: iso(ids.random.randint(20_000, 20_800) * DAY)[:10],
}


def _custom_values(location: Location, ids: Ids, model: str) -> tuple[tuple[str, Any], ...]:
    fields = (field for field in location.custom_fields.values() if field.model == model)
    return tuple((field.id, VALUES[field.data_type](ids, field)) for field in fields if ids.random.random() < 0.3)
