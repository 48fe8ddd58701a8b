"""An opportunity as the API and the webhooks show it."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import Contact, Opportunity
from integrations.sandbox.timestamps import iso

Json = dict[str, Any]


def detail(deal: Opportunity, contact: Contact | None) -> Json:
    """An opportunity as GET returns it."""
    return {
        "id": deal.id,
        "name": deal.name,
        "monetaryValue": deal.value,
        "pipelineId": deal.pipeline_id,
        "pipelineStageId": deal.stage_id,
        "status": deal.status,
        "source": deal.source or "",
        "lastStatusChangeAt": iso(deal.status_changed_at),
        "lastStageChangeAt": iso(deal.stage_changed_at),
        "lastActionDate": iso(deal.updated_at),
        "createdAt": iso(deal.added_at),
        "updatedAt": iso(deal.updated_at),
        "contactId": deal.contact_id,
        "locationId": deal.location_id,
        "customFields": [{"id": field_id, "fieldValue": value} for field_id, value in deal.custom_fields],
        "followers": list(deal.followers),
        **{name: value for name, value in _gaps(deal).items() if value is not None},
        **({"contact": _contact(contact)} if contact else {}),
    }


def event(deal: Opportunity) -> Json:
    """The fields of OpportunityCreate and its kin."""
    fields = {
        "id": deal.id,
        "assignedTo": deal.assigned_to,
        "contactId": deal.contact_id,
        "monetaryValue": deal.value,
        "name": deal.name,
        "pipelineId": deal.pipeline_id,
        "pipelineStageId": deal.stage_id,
        "source": deal.source,
        "status": deal.status,
        "dateAdded": iso(deal.added_at),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _gaps(deal: Opportunity) -> Json:
    return {
        "assignedTo": deal.assigned_to,
        "lostReasonId": deal.lost_reason_id,
        "forecastExpectedCloseDate": deal.expected_close,
        "forecastProbability": deal.probability,
    }


def _contact(contact: Contact) -> Json:
    fields = {
        "id": contact.id,
        "name": contact.name,
        "companyName": contact.company_name,
        "email": contact.email,
        "phone": contact.phone,
        "tags": list(contact.tags),
    }
    return {name: value for name, value in fields.items() if value is not None}
