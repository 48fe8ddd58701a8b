"""Webhooks between two runs: applied to the copy, in time, and only for locations with a plan."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.sync import webhook_handlers
from integrations.sync.models import Plan, Record
from integrations.sync.resources import RESOURCES
from integrations.sync.resources.dates import iso
from integrations.tenants.models import Company, Location
from integrations.webhooks import handlers
from integrations.webhooks.models import Event
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, alive, run_once
from tests.sync.listing import of

# From the vendor's pages on ContactUpdate and OpportunityStageUpdate, shortened.
CONTACT: dict[str, Any] = {
    "type": "ContactUpdate",
    "locationId": LOCATION,
    "id": "c00001",
    "country": "DE",
    "dateAdded": "2021-11-26T12:41:02.193Z",
    "email": "JohnDeo@gmail.comm",
    "firstName": "John",
    "tags": ["id magna sed Lorem"],
    "customFields": [{"id": "BcdmQEsNgz6AVpgLVUJ0", "value": "XYZ Corp"}],
    "appId": "66a0419a0dffa47fb5f8b22e",
    "webhookId": "1f7a0c4e-6b6d-4bb1-8c3a-8f2f3d1f0c11",
    "timestamp": "2026-11-01T12:00:00.000Z",
}
OPPORTUNITY: dict[str, Any] = {
    "type": "OpportunityStageUpdate",
    "locationId": LOCATION,
    "id": "wWhVuzqpRuOA1ZVWi4FC",
    "monetaryValue": 40,
    "pipelineStageId": "e93ba61a-53b3-45e7-985a-c7732dbcdb69",
    "dateAdded": "2021-11-26T12:41:02.193Z",
}


def send(plan: Plan, payload: dict[str, Any], *, at: datetime | None = None, **fields: Any) -> None:
    payload = {**payload, **fields}
    webhook_handlers.apply(Event(app=plan.app, type=payload["type"], payload=payload, occurred_at=at or clock.now()))


def stored(record_id: str = "c00001") -> Record:
    return Record.objects.get(record_id=record_id)


def test_every_event_of_a_resource_has_its_handler() -> None:
    for resource in RESOURCES.values():
        for event_type in resource.events:
            assert webhook_handlers.apply in handlers.HANDLERS[event_type]


def test_an_update_is_laid_over_the_stored_contact(plan: Plan) -> None:
    run_once(plan, of(3))
    before = stored().payload
    send(plan, CONTACT)
    kept = {name: value for name, value in CONTACT.items() if name not in ("type", "appId", "webhookId", "timestamp")}
    assert stored().payload == {**before, **kept}


def test_the_vendors_type_of_a_contact_is_not_the_events(plan: Plan) -> None:
    listing = of(3)
    listing.rows["c00001"]["type"] = "lead"
    run_once(plan, listing)
    send(plan, CONTACT)
    assert stored().payload["type"] == "lead"


def test_an_event_older_than_the_row_is_dropped(plan: Plan) -> None:
    listing = of(3)
    listing.change("c00001", clock.now(), firstName="Newest")
    run_once(plan, listing)
    send(plan, CONTACT, at=clock.now() - timedelta(hours=1))
    assert stored().payload["firstName"] == "Newest"


def test_events_out_of_order_end_with_the_latest(plan: Plan) -> None:
    run_once(plan, of(3))
    now = clock.now()
    send(plan, CONTACT, at=now, firstName="second")
    send(plan, CONTACT, at=now - timedelta(seconds=1), firstName="first")
    assert stored().payload["firstName"] == "second"


def test_the_records_own_date_goes_before_the_events(plan: Plan) -> None:
    run_once(plan, of(3))
    late = clock.now() - timedelta(hours=2)
    send(plan, CONTACT, at=clock.now(), dateUpdated=iso(late), id="new")
    assert abs(stored("new").version_at - late) < timedelta(seconds=1)
    send(plan, CONTACT, at=clock.now(), dateUpdated=iso(late), firstName="of two hours ago")
    assert stored().payload["firstName"] != "of two hours ago", "the listing was read later"


def test_a_date_from_the_future_is_cut(plan: Plan) -> None:
    run_once(plan, of(3))
    send(plan, CONTACT, dateUpdated="2999-01-01T00:00:00Z")
    assert stored().version_at < clock.now() + timedelta(minutes=6)


def test_a_new_contact_is_there_before_any_run(plan: Plan) -> None:
    send(plan, CONTACT, type="ContactCreate", id="new")
    assert alive() == {"new"}


def test_a_deletion(plan: Plan) -> None:
    run_once(plan, of(3))
    send(plan, CONTACT, type="ContactDelete")
    assert alive() == {"c00000", "c00002"}
    send(plan, CONTACT, at=clock.now() - timedelta(minutes=1))
    assert alive() == {"c00000", "c00002"}, "a late update does not bring it back"


def test_a_tag_update_just_after_the_deletion_brings_nothing_back(plan: Plan) -> None:
    """C10 of public reports: the contact came back as an empty shell."""
    at = clock.now() - timedelta(minutes=5)
    created, deleted = at - timedelta(seconds=50), at
    events = [
        ({"type": "ContactCreate", "firstName": "A"}, created),
        ({"type": "ContactDelete"}, deleted),
        ({"type": "ContactTagUpdate", "tags": ["x"]}, at + timedelta(seconds=0.3)),
    ]
    for number, order in enumerate(itertools.permutations(events)):
        contact = {"id": f"cdel{number}", "locationId": LOCATION}
        for payload, occurred_at in order:
            send(plan, {**contact, **payload}, at=occurred_at)
    assert not alive()
    assert Record.objects.count() == 6


def test_a_deletion_is_dated_by_the_event_and_not_by_the_last_change(plan: Plan) -> None:
    run_once(plan, of(3))
    send(plan, CONTACT, type="ContactDelete", dateUpdated="2020-01-01T00:00:00Z")
    assert "c00001" not in alive()


def test_a_contact_deleted_while_its_page_is_on_the_way_stays_deleted(plan: Plan) -> None:
    listing = of(250)

    def between(number: int) -> None:
        if number == 3:  # the vendor has answered the second page; the third is being asked for
            send(plan, CONTACT, type="ContactDelete", id="c00220")

    listing.before = between
    run = run_once(plan, listing)
    assert run.seen == 250
    assert "c00220" not in alive()


def test_an_opportunity_calls_its_creation_by_the_listings_name(plan: Plan) -> None:
    Plan.objects.update(resource="opportunities")
    sign(Plan)
    send(plan, OPPORTUNITY)
    payload = stored("wWhVuzqpRuOA1ZVWi4FC").payload
    assert payload["createdAt"] == "2021-11-26T12:41:02.193Z"
    assert "dateAdded" not in payload


# --- events of an agency ------------------------------------------------------------------------------------------


AGENCY = "5DP4iH6HLkQsiKESj6rh"
USER = {"type": "UserCreate", "companyId": AGENCY, "id": "us000000000000000002", "firstName": "Bea"}


@pytest.fixture
def three(plan: Plan) -> list[str]:
    """Three locations of one agency whose users are synced, and one of another."""
    for company_id in (AGENCY, "another"):
        Company.objects.create(id=company_id, created_at=clock.now())
    locations = {"loc1": AGENCY, "loc2": AGENCY, "loc3": AGENCY, "loc4": "another"}
    for location_id, company_id in locations.items():
        Location.objects.create(id=location_id, company_id=company_id, created_at=clock.now())
        Plan.objects.create(app=plan.app, location_id=location_id, resource="users", created_at=clock.now())
    return ["loc1", "loc2", "loc3"]


def holding() -> set[str]:
    return set(Record.objects.filter(resource="users", deleted_at=None).values_list("location_id", flat=True))


def test_an_agencys_event_is_about_each_location_that_it_names(plan: Plan, three: list[str]) -> None:
    send(plan, USER, locations=["loc1", "loc2", "not installed"])
    assert holding() == {"loc1", "loc2"}
    assert stored_user("loc1") == {"id": USER["id"], "firstName": "Bea"}
    send(plan, USER, type="UserUpdate", locations=["loc1"], firstName="Bee")
    assert (stored_user("loc1")["firstName"], stored_user("loc2")["firstName"]) == ("Bee", "Bea")


def test_an_agencys_event_that_names_no_location_is_about_those_that_have_the_user(
    plan: Plan, three: list[str]
) -> None:
    send(plan, USER, locations=["loc1", "loc2", "loc4"])
    send(plan, USER, type="UserDelete")
    assert holding() == {"loc4"}, "another agency's location"
    assert Record.objects.filter(resource="users").count() == 3, "loc3 never had it"


def stored_user(location_id: str) -> dict[str, Any]:
    return dict(Record.objects.get(resource="users", location_id=location_id).payload)


# --- what changes nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", [{"locationId": "elsewhere"}, {"locationId": None}, {"id": ""}, {"id": None}, {"type": "TaskCreate"}]
)
def test_events_about_no_synced_record_change_nothing(plan: Plan, fields: dict[str, Any]) -> None:
    send(plan, CONTACT, **fields)
    assert not Record.objects.exists()


def test_a_disabled_plan_gets_no_changes(plan: Plan) -> None:
    Plan.objects.update(enabled=False)
    sign(Plan)
    send(plan, CONTACT)
    assert not Record.objects.exists()


def test_what_postgresql_refuses_does_not_poison_the_mailbox(plan: Plan) -> None:
    send(plan, CONTACT, firstName="a\x00b")
    assert stored().payload["firstName"] == "a\ufffdb"
