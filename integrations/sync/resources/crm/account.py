"""The location itself, its custom fields and values, phone numbers, reasons for lost opportunities, charges."""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Resource, Single
from integrations.sync.resources.in_api1 import API_1
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.since_filters import dated

LOCATIONS = Resource(
    name="locations",
    operation="locations.get-location",
    whole="location",
    only_one=True,
    creates=frozenset({"LocationCreate"}),
    updates=frozenset({"LocationUpdate"}),
)
CUSTOM_FIELDS = Resource(
    name="custom_fields",
    operation="locations.get-custom-fields",
    params={"model": "all"},
    whole="customFields",
    elsewhere={"1.0": API_1["custom_fields"]},
    filters=(ListingFilter(parameter="model", values=("contact", "opportunity"), field="model"),),
    single=Single("locations.get-custom-field", "id", "customField"),
)
CUSTOM_VALUES = Resource(
    name="custom_values",
    operation="locations.get-custom-values",
    whole="customValues",
    elsewhere={"1.0": API_1["custom_values"]},
    single=Single("locations.get-custom-value", "id", "customValue"),
)
LOST_REASONS = Resource(name="lost_reasons", operation="opportunities.get-lost-reason")
PHONE_NUMBERS = Resource(name="phone_numbers", operation="phone-system.active-numbers", every=SOMETIMES, ids=("sid",))
NUMBER_POOLS = Resource(
    name="number_pools", operation="phone-system.getNumberPoolList", whole="data", elsewhere={"v3": None}
)
CHARGES = Resource(
    name="charges",
    operation="marketplace.getCharges",
    **dated("startDate", "endDate"),
    single=Single("marketplace.getSpecificCharge", "chargeId"),
    ids=("chargeId",),
)

ALL = (LOCATIONS, CUSTOM_FIELDS, CUSTOM_VALUES, LOST_REASONS, PHONE_NUMBERS, NUMBER_POOLS, CHARGES)
