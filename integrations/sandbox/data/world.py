"""World of the sandbox: agencies, their locations and each location's data.

It has its own clock and its own stream of identifiers, so that a test can fix both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.records import (
    Calendar,
    Contact,
    Conversation,
    CustomField,
    Event,
    Message,
    Note,
    Opportunity,
    Pipeline,
    Tag,
    Task,
    User,
)
from integrations.sandbox.data.row_store import RowStore


@dataclass(slots=True, kw_only=True)
class Location:
    """A location and all its data."""

    id: str
    company_id: str
    name: str
    address: str
    city: str
    state: str
    country: str
    timezone: str
    email: str = ""
    phone: str = ""
    postal_code: str = ""
    website: str = ""
    active: bool = True
    users: dict[str, User] = field(default_factory=dict, repr=False)
    pipelines: dict[str, Pipeline] = field(default_factory=dict, repr=False)
    calendars: dict[str, Calendar] = field(default_factory=dict, repr=False)
    custom_fields: dict[str, CustomField] = field(default_factory=dict, repr=False)
    tags: dict[str, Tag] = field(default_factory=dict, repr=False)
    contacts: RowStore[Contact] = field(default_factory=RowStore, repr=False)
    opportunities: RowStore[Opportunity] = field(default_factory=RowStore, repr=False)
    events: RowStore[Event] = field(default_factory=RowStore, repr=False)
    conversations: RowStore[Conversation] = field(default_factory=RowStore, repr=False)
    messages: RowStore[Message] = field(default_factory=RowStore, repr=False)
    notes: RowStore[Note] = field(default_factory=RowStore, repr=False)
    tasks: RowStore[Task] = field(default_factory=RowStore, repr=False)


@dataclass(slots=True, kw_only=True)
class Company:
    """An agency with its locations and users."""

    id: str
    name: str
    email: str
    locations: dict[str, Location] = field(default_factory=dict, repr=False)
    users: dict[str, User] = field(default_factory=dict, repr=False)


@dataclass(slots=True, kw_only=True)
class World:
    """All agencies and locations of a sandbox."""

    companies: dict[str, Company] = field(default_factory=dict, repr=False)
    locations: dict[str, Location] = field(default_factory=dict, repr=False)
    ids: Ids = field(default_factory=lambda: Ids(0), repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock() * 1000)

    def add(self, company: Company) -> None:
        """Add an agency and its locations."""
        self.companies[company.id] = company
        self.locations.update(company.locations)
