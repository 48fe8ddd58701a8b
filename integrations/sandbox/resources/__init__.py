"""Data operations of the sandbox, one folder for each resource. The server serves ROUTES."""

from __future__ import annotations

from integrations.sandbox.protocol import Route
from integrations.sandbox.resources.calendars import calendars
from integrations.sandbox.resources.calendars import events as calendar_events
from integrations.sandbox.resources.contacts import contacts, notes, tasks
from integrations.sandbox.resources.contacts import search as contact_search
from integrations.sandbox.resources.contacts import tags as contact_tags
from integrations.sandbox.resources.conversations import conversations, message_reading, message_sending
from integrations.sandbox.resources.locations import companies, custom_fields, locations, users
from integrations.sandbox.resources.locations import tags as location_tags
from integrations.sandbox.resources.opportunities import body_search, opportunities, pipelines
from integrations.sandbox.resources.opportunities import search as opportunity_search

ROUTES: tuple[Route, ...] = (
    *contact_search.ROUTES,
    *contacts.ROUTES,
    *contact_tags.ROUTES,
    *notes.ROUTES,
    *tasks.ROUTES,
    *opportunity_search.ROUTES,
    *body_search.ROUTES,
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
    *message_reading.ROUTES,
    *message_sending.ROUTES,
)
