"""Registry of the resources that can be synced. A new resource is a module here and an entry in ALL."""

from __future__ import annotations

from integrations.sync.resources.base import Change, ListingRequest, Parent, Resource, Single
from integrations.sync.resources.contacts import CONTACTS
from integrations.sync.resources.lists import CALENDARS, PIPELINES, USERS
from integrations.sync.resources.opportunities import OPPORTUNITIES

ALL: tuple[Resource, ...] = (CONTACTS, OPPORTUNITIES, PIPELINES, USERS, CALENDARS)
RESOURCES: dict[str, Resource] = {resource.name: resource for resource in ALL}

__all__ = ["ALL", "RESOURCES", "Change", "ListingRequest", "Parent", "Resource", "Single"]
