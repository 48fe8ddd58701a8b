"""The data operations of the stand-in, one module per noun; the front serves what ROUTES lists."""

from __future__ import annotations

from integrations.sandbox.protocol import Route
from integrations.sandbox.resources import (
    calendar_events,
    calendars,
    companies,
    contact_search,
    contact_tags,
    contacts,
    conversations,
    custom_fields,
    location_tags,
    locations,
    message_sending,
    messages,
    notes,
    opportunities,
    opportunity_body_search,
    opportunity_search,
    pipelines,
    tasks,
    users,
)

# Where two paths fit (/contacts/search/duplicate, /contacts/{contactId}), the one with more fixed parts is meant.
ROUTES: tuple[Route, ...] = (
    *contact_search.ROUTES,
    *contacts.ROUTES,
    *contact_tags.ROUTES,
    *notes.ROUTES,
    *tasks.ROUTES,
    *opportunity_search.ROUTES,
    *opportunity_body_search.ROUTES,
    *pipelines.ROUTES,
    *opportunities.ROUTES,
    *locations.ROUTES,
    *location_tags.ROUTES,
    *custom_fields.ROUTES,
    *users.ROUTES,
    *companies.ROUTES,
    *calendars.ROUTES,
    *calendar_events.ROUTES,
    *conversations.ROUTES,
    *messages.ROUTES,
    *message_sending.ROUTES,
)
