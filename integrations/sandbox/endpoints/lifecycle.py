"""Installs, uninstalls, new and moved locations, each with the webhooks that the vendor sends for it.

An install is complete, and its webhooks are queued, when the user presses Install. So a webhook may reach the app
before the browser brings the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from integrations.sandbox.context import Platform
from integrations.sandbox.data.world import Company, Location
from integrations.sandbox.events import envelopes
from integrations.sandbox.events.deliveries import Delivery
from integrations.sandbox.oauth.installs import Install


def install_company(platform: Platform, install: Install, location_ids: Iterable[str]) -> Install:
    """An agency's install: one INSTALL of the agency, then one of each location that did not have the app yet."""
    kept = platform.installs.add(install)
    agency = _send(platform, install.company_id, envelopes.agency_install(kept))
    for location_id in platform.installs.add_locations(kept, location_ids):
        _announce(platform, platform.installs.locations[location_id], after=agency)
    return kept


def install_location(platform: Platform, install: Install) -> Install:
    """A sub-account user's install."""
    kept = platform.installs.add(install)
    _announce(platform, kept)
    return kept


def add_location(platform: Platform, location: Location) -> bool:
    """Add a new location to its company. True if the agency's choice "future locations" installed the app on it."""
    company = platform.world.companies[location.company_id]
    company.locations[location.id] = location
    platform.world.locations[location.id] = location
    agency = platform.installs.companies.get(company.id)
    if agency is None or not agency.future:
        return False
    platform.installs.add_locations(agency, [location.id])
    platform.installs.locations[location.id].installed_at = platform.clock.milliseconds()
    _send(platform, location.id, envelopes.future_location_install(location.id))
    return True


def transfer(platform: Platform, location: Location, company: Company) -> bool:
    """Move a location to another agency. True if the app is installed there because of that agency's choice.

    No event announces it (FACTS 17). What becomes of an installation is not stated; here the old agency's ends.
    """
    former = platform.world.companies[location.company_id]
    if former is company:
        return location.id in platform.installs.locations
    platform.installs.remove_location(location.id)
    del former.locations[location.id]
    company.locations[location.id] = location
    location.company_id = company.id
    for user in location.users.values():
        former.users.pop(user.id, None)
        location.users[user.id] = company.users[user.id] = replace(user, company_id=company.id)
    agency = platform.installs.companies.get(company.id)
    if agency is None or not agency.future:
        return False
    platform.installs.add_locations(agency, [location.id])
    return True


def uninstall_location(platform: Platform, location_id: str) -> bool:
    """Remove the app from a location; False if it was not installed there."""
    removed = platform.installs.remove_location(location_id)
    if removed:
        _send(platform, location_id, envelopes.location_uninstall(location_id))
    return removed


def uninstall_company(platform: Platform, company_id: str) -> bool:
    """Remove the app from an agency and its locations, with one UNINSTALL; False if it was not installed on any."""
    removed = platform.installs.remove_company(company_id)
    if removed:
        _send(platform, company_id, envelopes.agency_uninstall(company_id))
    return removed


def publish(platform: Platform, location_id: str, event: str, payload: dict[str, Any]) -> None:
    """Send a data change of a location to the app, if it is installed there. A payload may name another `type`."""
    if location_id in platform.installs.locations:
        _send(platform, location_id, {"type": event, **payload})


def _announce(platform: Platform, install: Install, after: Delivery | None = None) -> None:
    company = platform.world.companies[install.company_id]
    body = envelopes.location_install(install, company.name)
    _send(platform, install.location_id or install.company_id, body, after)


def _send(platform: Platform, tenant: str, body: envelopes.Body, after: Delivery | None = None) -> Delivery | None:
    if not platform.app.webhook_url:
        return None
    enveloped = envelopes.with_envelope(platform.app, body, platform.clock.iso())
    return platform.deliveries.send(tenant, enveloped, platform.app.webhook_url, after)
