"""The time zone of a tenant. Rooms above that know it register a look-up; UTC where none of them does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from integrations.core.tenant import Tenant, UserType

Lookup = Callable[[int, str], str]  # the app's primary key and a location's id give an IANA name, or an empty text
_lookups: list[Lookup] = []


def register(lookup: Lookup) -> None:
    """Ask `lookup` too. Registering it again changes nothing."""
    if lookup not in _lookups:
        _lookups.append(lookup)


def zone_of(app_id: int, tenant: Tenant) -> tzinfo:
    """The zone of a location. UTC for companies, which have none, and while it is unknown here."""
    if tenant.user_type is UserType.LOCATION:
        for lookup in _lookups:
            try:
                return ZoneInfo(lookup(app_id, tenant.id))
            except (ValueError, OSError, KeyError):  # ZoneInfo's errors for names from outside
                continue
    return UTC
