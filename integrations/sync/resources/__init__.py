"""Registry of the resources that can be synced. A new one of ours is a module here and an entry in ALL.

An own app defines its resources in its `synced.py` and calls `register`.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.core.tenant import Tenant
from integrations.sync.resources.agency import agency_account, agency_saas
from integrations.sync.resources.automation import agents, automations, capture
from integrations.sync.resources.base import Change, ListingRequest, Parent, Resource, Single
from integrations.sync.resources.commerce import invoicing, payments, shop
from integrations.sync.resources.contacts import CONTACTS
from integrations.sync.resources.content import mailings, sites, social
from integrations.sync.resources.crm import account, bookable, custom_objects, messaging, people, scheduling
from integrations.sync.resources.lists import CALENDARS, PIPELINES, USERS
from integrations.sync.resources.opportunities import OPPORTUNITIES

ALL: list[Resource] = [
    CONTACTS,
    OPPORTUNITIES,
    PIPELINES,
    USERS,
    CALENDARS,
    *people.ALL,
    *messaging.ALL,
    *scheduling.ALL,
    *bookable.ALL,
    *account.ALL,
    *custom_objects.ALL,
    *capture.ALL,
    *automations.ALL,
    *agents.ALL,
    *payments.ALL,
    *invoicing.ALL,
    *shop.ALL,
    *sites.ALL,
    *social.ALL,
    *mailings.ALL,
    *agency_account.ALL,
    *agency_saas.ALL,
]
RESOURCES: dict[str, Resource] = {resource.name: resource for resource in ALL}
DEFAULTS: tuple[str, ...] = tuple(resource.name for resource in ALL if resource.default)

__all__ = [
    "ALL",
    "DEFAULTS",
    "RESOURCES",
    "Change",
    "ListingRequest",
    "Parent",
    "Resource",
    "Single",
    "at_level",
    "register",
    "tenant_of",
]


def at_level(level: str) -> dict[str, Resource]:
    """The resources that a location has, or those that a company has, in the order of the registry."""
    return {name: resource for name, resource in RESOURCES.items() if resource.level == level}


def tenant_of(resource: str, tenant_id: str) -> Tenant:
    """The tenant with this id that has such records: a location where the resource is not here any more."""
    known = RESOURCES.get(resource)
    return Tenant.location(tenant_id) if known is None else known.tenant(tenant_id)


def register(resource: Resource) -> Resource:
    """Add a resource of an own app. It is synced by default. Two of one name are an error of the system checks."""
    resource = replace(resource, default=True)
    if resource not in ALL:
        ALL.append(resource)
        RESOURCES.setdefault(resource.name, resource)
    return resource
