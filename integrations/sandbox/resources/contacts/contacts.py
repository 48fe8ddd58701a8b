"""Contacts: read, create, update, upsert, delete, find a duplicate.

Locations here do not allow duplicates, which is the vendor's default: a create or update that meets another contact's
e-mail or phone is a 400 that names it. Deleting a contact deletes its notes, tasks and so on (an inference: the vendor
documents no cascade), with webhooks for its opportunities.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Contact
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, not_found
from integrations.sandbox.resources.checks import body, here, own, query, succeeded
from integrations.sandbox.resources.contacts import fields as contact_fields
from integrations.sandbox.resources.contacts import views as contact_views
from integrations.sandbox.resources.opportunities import views as opportunity_views


def find(call: ApiCall) -> tuple[Location, Contact]:
    """The contact the path names. Raises ApiError 400 where the token's location has none of that id."""
    location = here(call)
    contact = location.contacts.get(call.path["contactId"])
    if contact is None:
        raise not_found("Contact", call.path["contactId"])
    return location, contact


def get(call: ApiCall) -> Reply:
    """Return one contact."""
    return Reply({"contact": _view(call, find(call)[1])})


def create(call: ApiCall) -> Reply:
    """Create a contact."""
    given = body(call, contact_fields.CREATE_RULES, required=("locationId",))
    location = own(call, given["locationId"])
    return Reply({"contact": _view(call, _create(call, location, given))}, 201)


def update(call: ApiCall) -> Reply:
    """Update a contact."""
    location, contact = find(call)
    given = body(call, contact_fields.UPDATE_RULES)
    word = "succeeded" if call.is_v3 else "succeded"
    return Reply({word: True, "contact": _view(call, _update(call, location, contact, given))})


def upsert(call: ApiCall) -> Reply:
    """Update the contact that matches, or create one."""
    given = body(call, contact_fields.UPSERT_RULES, required=("locationId",))
    location = own(call, given["locationId"])
    found = duplicate(location, given.get("email"), given.get("phone"))
    contact = _update(call, location, found[0], given) if found else _create(call, location, given)
    answer = {
        "new": found is None,
        "contact": _view(call, contact),
        "traceId": call.world.ids.uuid(),
    }
    return Reply(answer)


def delete(call: ApiCall) -> Reply:
    """Delete a contact."""
    location, contact = find(call)
    for deal in location.opportunities.where("contact_id", contact.id):
        del location.opportunities[deal.id]
        call.publish("OpportunityDelete", location.id, opportunity_views.event(deal))
    for rows in (location.notes, location.tasks, location.events, location.messages, location.conversations):
        for dependent in rows.where("contact_id", contact.id):
            del rows[dependent.id]
    del location.contacts[contact.id]
    call.publish("ContactDelete", location.id, contact_views.event(contact))
    return Reply(succeeded(call, "succeeded"))


def find_duplicate(call: ApiCall) -> Reply:
    """Return the contact with this e-mail or number, or null."""
    given = query(call, {"locationId": "string", "email": "string", "number": "string"}, required=("locationId",))
    found = duplicate(own(call, given["locationId"]), given.get("email"), given.get("number"))
    return Reply({"contact": _view(call, found[0]) if found else None})


def duplicate(location: Location, email: str | None, phone: str | None) -> tuple[Contact, str] | None:
    """The contact with this e-mail, else with this phone, and which of the two it was."""
    if email and (same := location.contacts.where("email_lower", email.lower())):
        return same[0], "email"
    if phone and (same := location.contacts.where("phone", contact_fields.normal_phone(phone))):
        return same[0], "phone"
    return None


def _view(call: ApiCall, contact: Contact) -> dict[str, Any]:
    return contact_views.detail_in_v3(contact) if call.is_v3 else contact_views.detail(contact)


def _refuse_duplicate(location: Location, fields: dict[str, Any], own_id: str | None) -> None:
    found = duplicate(location, fields.get("email"), fields.get("phone"))
    if found and found[0].id != own_id:
        meta = {"contactId": found[0].id, "contactName": found[0].name, "matchingField": found[1]}
        raise bad_request("This location does not allow duplicated contacts.", meta=meta)


def _create(call: ApiCall, location: Location, given: dict[str, Any]) -> Contact:
    fields = contact_fields.read(location, given, None)
    _refuse_duplicate(location, fields, None)
    now = call.world.now()
    defaults = {"country": location.country, "source": "public api"}
    contact = location.contacts.add(
        Contact(
            id=call.world.ids.new(),
            location_id=location.id,
            added_at=now,
            updated_at=now,
            **defaults | fields,
        )
    )
    contact_fields.know_tags(location, contact.tags, call.world.ids)
    call.publish("ContactCreate", location.id, contact_views.event(contact))
    return contact


def _update(call: ApiCall, location: Location, old: Contact, given: dict[str, Any]) -> Contact:
    fields = contact_fields.read(location, given, old)
    _refuse_duplicate(location, fields, old.id)
    new = location.contacts.add(replace(old, **fields, updated_at=call.world.now()))
    contact_fields.know_tags(location, new.tags, call.world.ids)
    call.publish("ContactUpdate", location.id, contact_views.event(new))
    if new.tags != old.tags:
        call.publish("ContactTagUpdate", location.id, contact_views.event(new))
    if (new.dnd, new.dnd_settings) != (old.dnd, old.dnd_settings):
        settings = {"dndSettings": dict(new.dnd_settings)}
        call.publish("ContactDndUpdate", location.id, contact_views.event(new) | settings)
    return new


READ, WRITE = ("contacts.readonly",), ("contacts.write",)
ROUTES = (
    Route("GET", "/contacts/search/duplicate", "get-duplicate-contact", find_duplicate, READ),
    Route("POST", "/contacts/upsert", "upsert-contact", upsert, WRITE),
    Route("POST", "/contacts/", "create-contact", create, WRITE),
    Route("GET", "/contacts/{contactId}", "get-contact", get, READ),
    Route("PUT", "/contacts/{contactId}", "update-contact", update, WRITE),
    Route("DELETE", "/contacts/{contactId}", "delete-contact", delete, WRITE),
)
