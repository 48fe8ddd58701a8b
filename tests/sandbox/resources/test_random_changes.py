"""Random changes: valid, with webhooks, repeatable, and no more than there is to change."""

from __future__ import annotations

import json

import pytest

from integrations.sandbox.resources import random_changes
from tests.sandbox.desk import Desk

FIRST_EVENTS = {
    ("contacts", "create"): "ContactCreate",
    ("contacts", "update"): "ContactUpdate",
    ("contacts", "delete"): "ContactDelete",
    ("opportunities", "create"): "OpportunityCreate",
    ("opportunities", "update"): "OpportunityUpdate",
    ("opportunities", "delete"): "OpportunityDelete",
    ("notes", "create"): "NoteCreate",
    ("notes", "update"): "NoteUpdate",
    ("notes", "delete"): "NoteDelete",
    ("tasks", "create"): "TaskCreate",
    ("tasks", "update"): "TaskComplete",
    ("tasks", "delete"): "TaskDelete",
    ("appointments", "create"): "AppointmentCreate",
    ("appointments", "update"): "AppointmentUpdate",
    ("appointments", "delete"): "AppointmentDelete",
    ("messages", "create"): "InboundMessage",
}


def make(desk: Desk, resource: str, kind: str, count: int) -> int:
    return random_changes.apply(
        desk.world, desk.location, resource, kind, count, lambda event, fields: desk.emitted.append((event, fields))
    )


def test_every_recipe_is_tested() -> None:
    assert FIRST_EVENTS.keys() == random_changes.RECIPES.keys()


@pytest.mark.parametrize(("resource", "kind"), FIRST_EVENTS)
def test_changes_are_made_and_announced(resource: str, kind: str) -> None:
    desk = Desk(contacts=300)
    assert make(desk, resource, kind, 12) == 12
    expected = FIRST_EVENTS[resource, kind]
    # A task may be drawn that is complete already: no webhook then.
    assert (desk.events().count(expected) == 12) or (resource, kind) == ("tasks", "update")
    assert expected in desk.events()
    assert {fields["locationId"] for _, fields in desk.emitted} == {desk.location.id}


def test_counts_follow_creates_and_deletes() -> None:
    desk = Desk(contacts=50)
    make(desk, "contacts", "create", 7)
    make(desk, "contacts", "delete", 20)
    assert len(desk.location.contacts) == 37


def test_the_same_world_draws_the_same_changes() -> None:
    emitted = []
    for _ in range(2):
        desk = Desk(contacts=80)
        for resource, kind in FIRST_EVENTS:
            make(desk, resource, kind, 5)
        emitted.append(json.dumps(desk.emitted))
    assert emitted[0] == emitted[1]


def test_what_is_not_there_cannot_be_changed() -> None:
    desk = Desk(contacts=3)
    assert make(desk, "contacts", "delete", 10) == 3
    assert make(desk, "contacts", "update", 10) == 0
    assert make(desk, "opportunities", "create", 1) == 0


def test_an_unknown_change_is_refused_with_those_known() -> None:
    with pytest.raises(ValueError, match="no changes of kind messages delete; there are: appointments create"):
        make(Desk(contacts=1), "messages", "delete", 1)
