"""Installations of the app on companies and locations.

Every grant has its installation. A removed installation is `live = False` for ever, which revokes all its tokens; a
later installation of the same tenant is a new object and does not revive them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(slots=True)
class Install:
    """One installation, of a company (`location_id` None) or of one location.

    `bulk`, `future` and `approve_all` are the choices an agency makes when it installs; `installed_at` is in
    milliseconds. What an uninstall does to tokens is not documented; here they answer 401 from then on.
    """

    company_id: str
    location_id: str | None
    user_id: str
    scopes: tuple[str, ...]
    installed_at: int
    bulk: bool = False
    future: bool = False
    approve_all: bool = False
    live: bool = True


class Installs:
    """Installations by company id and by location id."""

    def __init__(self) -> None:
        self.companies: dict[str, Install] = {}
        self.locations: dict[str, Install] = {}

    def add(self, install: Install) -> Install:
        """Record an installation. A second one of the same resource updates the first, and its tokens stay valid."""
        rows, key = self._rows_and_key(install)
        known = rows.get(key)
        if known is None:
            rows[key] = install
            return install
        known.user_id, known.scopes = install.user_id, install.scopes
        known.bulk, known.future, known.approve_all = install.bulk, install.future, install.approve_all
        return known

    def add_locations(self, company: Install, location_ids: Iterable[str]) -> list[str]:
        """Install the app on these locations with the company's scopes. Returns the ids of the new ones."""
        new: list[str] = []
        for location_id in location_ids:
            if location_id not in self.locations:
                new.append(location_id)
            self.add(replace(company, location_id=location_id, future=False, approve_all=False))
        return new

    def remove_location(self, location_id: str) -> bool:
        """Remove the app from a location; False if it was not installed there."""
        install = self.locations.pop(location_id, None)
        if install is None:
            return False
        install.live = False
        return True

    def remove_company(self, company_id: str) -> bool:
        """Remove the app from an agency and its locations; False if it was not installed on any."""
        below = [key for key, install in self.locations.items() if install.company_id == company_id]
        for location_id in below:
            self.remove_location(location_id)
        install = self.companies.pop(company_id, None)
        if install is not None:
            install.live = False
        return install is not None or bool(below)

    def _rows_and_key(self, install: Install) -> tuple[dict[str, Install], str]:
        if install.location_id is None:
            return self.companies, install.company_id
        return self.locations, install.location_id
