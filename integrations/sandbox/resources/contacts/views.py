"""A contact as the vendor shows it: in full, as a search row, as a row of the deprecated list, and in a webhook."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import Contact, Opportunity
from integrations.sandbox.resources.contacts.fields import CHANNELS
from integrations.sandbox.timestamps import iso

Json = dict[str, Any]


def detail(contact: Contact) -> Json:
    """A contact as GET returns it."""
    return _without_gaps(
        {
            **_shared(contact),
            "name": contact.name or None,
            "firstNameLowerCase": contact.first_name_lower or None,
            "lastNameLowerCase": contact.last_name_lower or None,
            "fullNameLowerCase": contact.full_name_lower or None,
            "emailLowerCase": contact.email_lower,
            "address1": contact.address1,
            "timezone": contact.timezone,
            "dndSettings": dict(contact.dnd_settings) or None,
            "followers": list(contact.followers),
        }
    )


def detail_in_v3(contact: Contact) -> Json:
    """The same in v3, which writes the channels of `dndSettings` otherwise."""
    shown, names = detail(contact), {old: new for new, old in CHANNELS.items()}
    if "dndSettings" in shown:
        shown["dndSettings"] = {names.get(name, name): setting for name, setting in shown["dndSettings"].items()}
    return shown


def row(contact: Contact, opportunities: list[Opportunity], search_after: list[Any]) -> Json:
    """A row of POST /contacts/search: missing values are null, and each row has the cursor for the rows after it."""
    return {
        **_shared(contact),
        "phoneLabel": None,
        "address": contact.address1,
        "timezone": contact.timezone,
        "businessName": None,
        "businessId": None,
        "additionalEmails": [],
        "additionalPhones": [],
        "firstNameLowerCase": contact.first_name_lower,
        "lastNameLowerCase": contact.last_name_lower,
        "dndSettings": dict(contact.dnd_settings),
        "followers": list(contact.followers),
        "validEmail": None,
        "opportunities": [
            {
                "id": deal.id,
                "pipelineId": deal.pipeline_id,
                "pipelineStageId": deal.stage_id,
                "monetaryValue": deal.value,
                "status": deal.status,
            }
            for deal in opportunities
        ],
        "searchAfter": search_after,
    }


def list_row(contact: Contact) -> Json:
    """A row of the deprecated GET /contacts/."""
    fields = {**_shared(contact), "contactName": contact.full_name_lower, "timezone": contact.timezone}
    return {**_without_gaps(fields), "followers": list(contact.followers), "attributions": []}


def event(contact: Contact) -> Json:
    """The fields of ContactCreate, ContactUpdate, ContactDelete and ContactTagUpdate."""
    shared = _shared(contact)
    for name in ("type", "dateUpdated"):  # the webhook's `type` is the event's
        del shared[name]
    return _without_gaps({**shared, "name": contact.name or None, "address1": contact.address1, "attachments": []})


def _shared(contact: Contact) -> Json:
    return {
        "id": contact.id,
        "locationId": contact.location_id,
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "email": contact.email,
        "phone": contact.phone,
        "companyName": contact.company_name,
        "website": contact.website,
        "source": contact.source,
        "type": contact.type,
        "assignedTo": contact.assigned_to,
        "city": contact.city,
        "state": contact.state,
        "postalCode": contact.postal_code,
        "country": contact.country,
        "dateOfBirth": contact.date_of_birth,
        "dnd": contact.dnd,
        "tags": list(contact.tags),
        "customFields": [{"id": field_id, "value": value} for field_id, value in contact.custom_fields],
        "dateAdded": iso(contact.added_at),
        "dateUpdated": iso(contact.updated_at),
    }


def _without_gaps(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
