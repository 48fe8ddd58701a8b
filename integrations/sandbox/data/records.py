"""Rows of a location: contacts, opportunities and so on. With slots for 200,000 contacts, frozen for `row_store`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CustomValues = tuple[tuple[str, Any], ...]  # (custom field id, value), …


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A contact. `added_at` and `updated_at` are milliseconds since 1970, here and below."""

    id: str
    location_id: str
    added_at: int
    updated_at: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    company_name: str | None = None
    address1: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    timezone: str | None = None
    website: str | None = None
    source: str | None = None
    type: str = "lead"
    assigned_to: str | None = None
    date_of_birth: str | None = None
    dnd: bool = False
    dnd_settings: tuple[tuple[str, Any], ...] = ()
    tags: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    custom_fields: CustomValues = ()

    @property
    def name(self) -> str:
        """First and last name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    @property
    def full_name_lower(self) -> str:
        """Sort key of the name."""
        return self.name.lower()

    @property
    def first_name_lower(self) -> str:
        """Sort key of the first name."""
        return (self.first_name or "").lower()

    @property
    def last_name_lower(self) -> str:
        """Sort key of the last name."""
        return (self.last_name or "").lower()

    @property
    def email_lower(self) -> str | None:
        """Sort and search key of the e-mail address; None without one."""
        return self.email.lower() if self.email else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """An opportunity of a contact in a pipeline stage."""

    id: str
    location_id: str
    contact_id: str
    name: str
    pipeline_id: str
    stage_id: str
    status: str
    added_at: int
    updated_at: int
    status_changed_at: int
    stage_changed_at: int
    value: float = 0
    assigned_to: str | None = None
    source: str | None = None
    lost_reason_id: str | None = None
    expected_close: str | None = None
    probability: float | None = None
    followers: tuple[str, ...] = ()
    custom_fields: CustomValues = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline."""

    id: str
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its stages."""

    id: str
    name: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of an agency or of locations."""

    id: str
    company_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    type: str  # account or agency
    role: str
    location_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar of a location."""

    id: str
    location_id: str
    name: str
    slug: str
    group_id: str
    slot_minutes: int
    user_ids: tuple[str, ...]
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An appointment."""

    id: str
    location_id: str
    calendar_id: str
    contact_id: str
    group_id: str
    title: str
    status: str
    starts_at: int
    ends_at: int
    added_at: int
    updated_at: int
    assigned_to: str
    address: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A contact's conversation."""

    id: str
    location_id: str
    contact_id: str
    added_at: int
    updated_at: int
    last_message_at: int
    last_body: str = ""
    last_type: str = "TYPE_SMS"
    last_direction: str = "outbound"
    unread: int = 0
    starred: bool = False
    assigned_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a conversation."""

    id: str
    location_id: str
    contact_id: str
    conversation_id: str
    channel: str  # SMS, Email, …
    direction: str
    status: str
    added_at: int
    body: str = ""
    subject: str | None = None
    attachments: tuple[str, ...] = ()
    source: str = "app"
    user_id: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field of a location."""

    id: str
    location_id: str
    name: str
    key: str  # contact.favourite_colour
    data_type: str
    model: str  # contact or opportunity
    position: int
    placeholder: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a location."""

    id: str
    location_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on a contact."""

    id: str
    location_id: str
    contact_id: str
    body: str
    added_at: int
    user_id: str | None = None
    title: str | None = None
    color: str | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task on a contact."""

    id: str
    location_id: str
    contact_id: str
    title: str
    due_at: int
    added_at: int
    body: str = ""
    completed: bool = False
    assigned_to: str | None = None
