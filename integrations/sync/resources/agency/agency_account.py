"""The company itself, its locations and users, its menu links, its snapshots and where they were pushed to.

No operation returns one snapshot or one push. Pushes are listed within a range of time, whose bounds the vendor wants
as `12-18-2023 11:59 PM`; it does not say of which time zone, and the windows overlap the run by a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integrations.core.tenant import UserType
from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single
from integrations.sync.resources.windows import Windows


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%m-%d-%Y %I:%M %p}"


COMPANIES = Resource(
    name="companies",
    level=UserType.COMPANY,
    operation="companies.get-company",
    every=SOMETIMES,
    whole="company",
    only_one=True,
)
COMPANY_LOCATIONS = Resource(
    name="company_locations",
    level=UserType.COMPANY,
    operation="locations.search-locations",
    single=Single("locations.get-location", "locationId", "location"),
    creates=frozenset({"LocationCreate"}),
    updates=frozenset({"LocationUpdate"}),
)
COMPANY_USERS = Resource(
    name="company_users",
    level=UserType.COMPANY,
    operation="users.search-users",
    single=Single("users.get-user", "userId"),
    noise=frozenset({"locations"}),  # of an event: the locations that it is about; a row has `roles`
    event_noise=frozenset({"locationId"}),
    creates=frozenset({"UserCreate"}),
    updates=frozenset({"UserUpdate"}),
    deletes=frozenset({"UserDelete"}),
    recheck=frozenset({"UserDelete"}),
)
CUSTOM_MENUS = Resource(
    name="custom_menus",
    level=UserType.COMPANY,
    operation="custom-menus.get-custom-menus",
    every=SOMETIMES,
    single=Single("custom-menus.get-custom-menu-by-id", "customMenuId", "customMenu"),
)
SNAPSHOTS = Resource(
    name="snapshots",
    level=UserType.COMPANY,
    operation="snapshots.get-custom-snapshots",
    every=SOMETIMES,
    whole="snapshots",
)
SNAPSHOT_PUSHES = Resource(
    name="snapshot_pushes",
    level=UserType.COMPANY,
    operation="snapshots.get-snapshot-push",
    every=SOMETIMES,
    below=Parent(SNAPSHOTS, "snapshotId"),
    windows=Windows(
        start="from",
        end="to",
        write=_clock,
        places="dateAdded",
        past=timedelta(days=365),
        ahead=timedelta(days=1),
        step=timedelta(days=122),
    ),
    version_fields=("dateUpdated", "dateAdded"),
)

ALL = (COMPANIES, COMPANY_LOCATIONS, COMPANY_USERS, CUSTOM_MENUS, SNAPSHOTS, SNAPSHOT_PUSHES)
