"""Services that can be booked, their places and their bookings: only v3 has them."""

from __future__ import annotations

from typing import Any

from integrations.sync.resources.base import SOMETIMES, Resource, Single
from integrations.sync.resources.crm.scheduling import APPOINTMENT_TIMES

_ONLY_V3: dict[str, Any] = {"api": "v3", "elsewhere": {"v2": None}}

SERVICES = Resource(
    name="services",
    operation="calendars.get-services-catalog",
    whole="services",
    single=Single("calendars.get-service-catalog-by-id", "serviceId", "service"),
    **_ONLY_V3,
)
SERVICE_LOCATIONS = Resource(
    name="service_locations",
    operation="calendars.get-service-locations",
    whole="serviceLocations",
    single=Single("calendars.get-service-location-by-id", "serviceLocationId"),
    **_ONLY_V3,
)
SERVICE_BOOKINGS = Resource(
    name="service_bookings",
    operation="calendars.get-service-bookings",
    every=SOMETIMES,
    whole="bookings",
    windows=APPOINTMENT_TIMES,
    single=Single("calendars.get-service-booking-by-id", "bookingId"),
    ids=("bookingId",),
    **_ONLY_V3,
)

ALL = (SERVICES, SERVICE_LOCATIONS, SERVICE_BOOKINGS)
