"""Random changes to a location's data through the operations' handlers, so that each is valid and sends its webhooks.

The choices come from the world's random stream: the same world and the same calls give the same changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.data import seed_words
from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.world import Location, World
from integrations.sandbox.protocol import ApiCall, Reply
from integrations.sandbox.resources.calendars import events as calendar_events
from integrations.sandbox.resources.contacts import contacts, notes, tasks
from integrations.sandbox.resources.conversations import message_sending
from integrations.sandbox.resources.opportunities import opportunities
from integrations.sandbox.timestamps import DAY, HOUR, MINUTE, iso

Emit = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Draw:
    """The random choices for one change."""

    world: World
    location: Location

    @property
    def ids(self) -> Ids:
        """The world's seeded stream of ids."""
        return self.world.ids

    def one(self, choices: Any) -> Any:
        """A random element of `choices`."""
        return self.ids.random.choice(list(choices))


@dataclass(frozen=True, slots=True)
class HandlerCall:
    """A call of an operation's handler that makes one change."""

    handler: Callable[[ApiCall], Reply]
    path: dict[str, str]
    body: dict[str, Any] | None = None


Recipe = Callable[[Draw], HandlerCall]


def apply(world: World, location: Location, resource: str, kind: str, count: int, emit: Emit) -> int:
    """Make `count` changes of `kind` (create, update, delete) to `resource`. Returns how many were made.

    Fewer where nothing is left to change. Raises ValueError for a resource and kind that RECIPES does not have.
    """
    recipe = RECIPES.get((resource, kind))
    if recipe is None:
        known = ", ".join(sorted(f"{name} {how}" for name, how in RECIPES))
        raise ValueError(f"no changes of kind {resource} {kind}; there are: {known}")
    draw = Draw(world, location)
    for made in range(count):
        try:
            request = recipe(draw)
        except IndexError:  # nothing to choose from
            return made
        call = ApiCall(world, location.company_id, location, emit, path=request.path, body=request.body)
        request.handler(call)
    return count


def _create_contact(draw: Draw) -> HandlerCall:
    first, last = draw.one(seed_words.FIRST_NAMES), draw.one(seed_words.LAST_NAMES)
    body = {
        "locationId": draw.location.id,
        "firstName": first,
        "lastName": last,
        "email": f"{first}.{last}.{draw.ids.new()[:8]}@example.com".lower(),
        "tags": [draw.one(seed_words.TAGS)],
        "source": draw.one(seed_words.SOURCES),
    }
    return HandlerCall(contacts.create, {}, body)


def _update_contact(draw: Draw) -> HandlerCall:
    city, state, country, postal_code, timezone = draw.one(seed_words.CITIES)
    city_fields = {"city": city, "state": state, "country": country, "postalCode": postal_code, "timezone": timezone}
    body = {**city_fields, "companyName": draw.one(seed_words.COMPANY_NAMES), "tags": [draw.one(seed_words.TAGS)]}
    return HandlerCall(contacts.update, _a_contact(draw), body)


def _delete_contact(draw: Draw) -> HandlerCall:
    return HandlerCall(contacts.delete, _a_contact(draw))


def _a_contact(draw: Draw) -> dict[str, str]:
    return {"contactId": draw.one(draw.location.contacts)}


def _create_opportunity(draw: Draw) -> HandlerCall:
    contact = draw.one(draw.location.contacts.values())
    pipeline = draw.one(draw.location.pipelines.values())
    body = {
        "locationId": draw.location.id,
        "contactId": contact.id,
        "pipelineId": pipeline.id,
        "pipelineStageId": draw.one(pipeline.stages).id,
        "name": contact.name or "Opportunity",
        "status": "open",
        "monetaryValue": draw.ids.random.randint(1, 200) * 50,
    }
    return HandlerCall(opportunities.create, {}, body)


def _update_opportunity(draw: Draw) -> HandlerCall:
    deal = draw.one(draw.location.opportunities.values())
    stage = draw.one(draw.location.pipelines[deal.pipeline_id].stages)
    body = {
        "pipelineStageId": stage.id,
        "status": draw.one(opportunities.STATUSES),
        "monetaryValue": draw.ids.random.randint(1, 200) * 50,
    }
    return HandlerCall(opportunities.update, {"id": deal.id}, body)


def _delete_opportunity(draw: Draw) -> HandlerCall:
    return HandlerCall(opportunities.delete, {"id": draw.one(draw.location.opportunities)})


def _create_note(draw: Draw) -> HandlerCall:
    return HandlerCall(notes.create, _a_contact(draw), {"body": draw.one(seed_words.NOTES)})


def _update_note(draw: Draw) -> HandlerCall:
    return HandlerCall(notes.update, _a_note(draw), {"body": draw.one(seed_words.NOTES)})


def _delete_note(draw: Draw) -> HandlerCall:
    return HandlerCall(notes.delete, _a_note(draw))


def _a_note(draw: Draw) -> dict[str, str]:
    note = draw.one(draw.location.notes.values())
    return {"contactId": note.contact_id, "id": note.id}


def _create_task(draw: Draw) -> HandlerCall:
    due = iso(draw.world.now() + draw.ids.random.randint(1, 20) * DAY)
    body = {"title": draw.one(seed_words.TASK_TITLES), "dueDate": due, "completed": False}
    return HandlerCall(tasks.create, _a_contact(draw), body)


def _update_task(draw: Draw) -> HandlerCall:
    return HandlerCall(tasks.complete, _a_task(draw), {"completed": True})


def _delete_task(draw: Draw) -> HandlerCall:
    return HandlerCall(tasks.delete, _a_task(draw))


def _a_task(draw: Draw) -> dict[str, str]:
    task = draw.one(draw.location.tasks.values())
    return {"contactId": task.contact_id, "taskId": task.id}


def _create_appointment(draw: Draw) -> HandlerCall:
    body = {
        "locationId": draw.location.id,
        "calendarId": draw.one(draw.location.calendars),
        "contactId": draw.one(draw.location.contacts),
        **_a_time(draw),
    }
    return HandlerCall(calendar_events.create, {}, body)


def _update_appointment(draw: Draw) -> HandlerCall:
    return HandlerCall(calendar_events.update, {"eventId": draw.one(draw.location.events)}, _a_time(draw))


def _delete_appointment(draw: Draw) -> HandlerCall:
    return HandlerCall(calendar_events.delete, {"eventId": draw.one(draw.location.events)})


def _a_time(draw: Draw) -> dict[str, Any]:
    start = draw.world.now() // HOUR * HOUR + draw.ids.random.randint(1, 60 * 48) * 30 * MINUTE
    return {"startTime": iso(start), "ignoreFreeSlotValidation": True}


def _create_message(draw: Draw) -> HandlerCall:
    body = {
        "type": "SMS",
        "contactId": draw.one(draw.location.contacts),
        "message": draw.one(seed_words.INBOUND),
        "conversationProviderId": draw.ids.new(),
    }
    return HandlerCall(message_sending.receive, {}, body)


RECIPES: dict[tuple[str, str], Recipe] = {
    ("contacts", "create"): _create_contact,
    ("contacts", "update"): _update_contact,
    ("contacts", "delete"): _delete_contact,
    ("opportunities", "create"): _create_opportunity,
    ("opportunities", "update"): _update_opportunity,
    ("opportunities", "delete"): _delete_opportunity,
    ("notes", "create"): _create_note,
    ("notes", "update"): _update_note,
    ("notes", "delete"): _delete_note,
    ("tasks", "create"): _create_task,
    ("tasks", "update"): _update_task,
    ("tasks", "delete"): _delete_task,
    ("appointments", "create"): _create_appointment,
    ("appointments", "update"): _update_appointment,
    ("appointments", "delete"): _delete_appointment,
    ("messages", "create"): _create_message,
}
