"""The seeded world: reproducible, plausible, in proportion, without real people's contact data."""

from __future__ import annotations

import re
import time
import tracemalloc
from dataclasses import asdict
from typing import Any

import pytest

from integrations.sandbox.data import seed as seeding
from integrations.sandbox.data.seed import seed
from integrations.sandbox.data.seed_data import PHONES, SPREAD, phone
from integrations.sandbox.data.world import Location, World


@pytest.fixture(scope="module")
def world() -> World:
    return seed(companies=2, locations=3, contacts=200, seed=11)


def rows(world: World) -> dict[str, Any]:
    stores = ("contacts", "opportunities", "events", "conversations", "messages", "notes", "tasks", "users")
    return {
        location.id: {name: [asdict(row) for row in getattr(location, name).values()] for name in stores}
        for location in world.locations.values()
    }


def every(world: World, store: str) -> list[Any]:
    return [row for location in world.locations.values() for row in getattr(location, store).values()]


def test_it_has_as_many_as_asked_for(world: World) -> None:
    assert len(world.companies) == 2
    assert [len(company.locations) for company in world.companies.values()] == [3, 3]
    assert [len(location.contacts) for location in world.locations.values()] == [200] * 6
    assert [len(location.opportunities) for location in world.locations.values()] == [40] * 6


def test_the_same_seed_gives_the_same_world(world: World) -> None:
    assert rows(seed(companies=2, locations=3, contacts=200, seed=11)) == rows(world)


def test_another_seed_gives_another_world(world: World) -> None:
    other = seed(companies=2, locations=3, contacts=200, seed=12)
    assert not set(other.locations) & set(world.locations)


def test_more_locations_leave_the_first_ones_as_they_were(world: World) -> None:
    larger = seed(companies=2, locations=4, contacts=200, seed=11)
    assert rows(world).items() <= rows(larger).items()


def test_ids_are_twenty_letters_and_digits_and_never_repeat(world: World) -> None:
    stores = ("contacts", "opportunities", "messages", "notes", "tasks")
    found = [row.id for store in stores for row in every(world, store)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch("[A-Za-z0-9]{20}", row_id) for row_id in [*found, *world.locations, *world.companies])


def test_all_addresses_are_reserved_for_examples(world: World) -> None:
    emails = [row.email for row in (*every(world, "contacts"), *every(world, "users"), *world.locations.values())]
    assert all(re.search(r"[@.]example\.(com|org|net)$", email) for email in emails)
    phones = [row.phone for row in (*every(world, "contacts"), *every(world, "users")) if row.phone]
    assert all(re.fullmatch(r"\+1[2-9]\d\d55501\d\d", number) for number in phones)


def test_no_two_contacts_of_a_location_share_an_email_or_a_phone(world: World) -> None:
    for location in world.locations.values():
        for values in (
            [row.email for row in location.contacts.values()],
            [row.phone for row in location.contacts.values() if row.phone],
        ):
            assert len(set(values)) == len(values)


def test_the_numbers_run_through_the_whole_block_before_they_repeat() -> None:
    assert len({phone(number) for number in range(PHONES)}) == PHONES


def test_contacts_come_in_over_two_years(world: World) -> None:
    dates = [row.added_at for row in every(world, "contacts")]
    assert seeding.UNTIL - SPREAD <= min(dates) < seeding.UNTIL - SPREAD * 0.95
    assert seeding.UNTIL - SPREAD * 0.05 < max(dates) < seeding.UNTIL
    assert all(row.added_at <= row.updated_at <= seeding.UNTIL for row in every(world, "contacts"))


def test_everything_hangs_on_something_that_is_there(world: World) -> None:
    for location in world.locations.values():
        assert len(location.pipelines) == 2
        stages = {(pipe.id, stage.id) for pipe in location.pipelines.values() for stage in pipe.stages}
        assert len(stages) == 10
        assert {(row.pipeline_id, row.stage_id) for row in location.opportunities.values()} <= stages
        assert {row.conversation_id for row in location.messages.values()} == set(location.conversations)
        assert {row.calendar_id for row in location.events.values()} <= set(location.calendars)
        for store in ("opportunities", "events", "conversations", "messages", "notes", "tasks"):
            assert {row.contact_id for row in getattr(location, store).values()} <= set(location.contacts)
        assert_contacts_fit(location)


def assert_contacts_fit(location: Location) -> None:
    tags = {tag.name for tag in location.tags.values()}
    for contact in location.contacts.values():
        assert {field for field, _ in contact.custom_fields} <= set(location.custom_fields)
        assert set(contact.tags) <= tags
        assert contact.assigned_to is None or contact.assigned_to in location.users


def test_conversations_end_at_different_times(world: World) -> None:
    # Their cursor has no tie-break: equal times would lose rows.
    for location in world.locations.values():
        ends = [row.last_message_at for row in location.conversations.values()]
        assert len(set(ends)) == len(ends)


def test_a_location_may_be_empty() -> None:
    (location,) = seed(companies=1, locations=1, contacts=0, seed=1).locations.values()
    assert not location.contacts
    assert not location.conversations
    assert location.pipelines


@pytest.mark.slow
def test_the_demo_size_is_fast() -> None:
    started = time.process_time()
    seed(companies=1, locations=5, contacts=2000, seed=1)
    assert time.process_time() - started < 2  # a machine at work; 0.4 s on an idle one


@pytest.mark.slow
def test_a_contact_with_all_that_hangs_on_it_is_small() -> None:
    tracemalloc.start()
    try:
        world = seed(companies=1, locations=1, contacts=2000, seed=1)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(world.locations) == 1
    assert size / 2000 < 2000  # bytes; 200,000 contacts stay below 400 MB
