"""What a company sells as SaaS: its plans, the locations that have one, and their subscriptions.

A subscription is asked for location by location, so those are visited whose row in the list of SaaS locations changed.
A location that has left SaaS may still answer that it has no plan, so only the list says which locations have one.
"""

from __future__ import annotations

from typing import Any

from integrations.core.tenant import UserType
from integrations.highlevel.pagination.pages import ANYWHERE
from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single


def _saas(name: str, operation: str, single: tuple[str, str] | None = None, **more: Any) -> Resource:
    """A resource whose operations are in the file `saas-api` in API 2.0 and in `saas` in v3."""

    def asked(file: str) -> dict[str, Any]:
        found = Single(f"{file}.{single[0]}", single[1]) if single else None
        return {"operation": f"{file}.{operation}", "single": found}

    elsewhere = {"v3": asked("saas")}
    how = {"level": UserType.COMPANY, "every": SOMETIMES, "elsewhere": elsewhere, **asked("saas-api"), **more}
    return Resource(name=name, **how)


SAAS_PLANS = _saas(
    "saas_plans",
    "get-agency-plans",
    ("get-saas-plan", "planId"),
    whole=ANYWHERE,
    ids=("planId",),
    creates=frozenset({"SaasPlanCreate"}),
    recheck=frozenset({"SaasPlanCreate"}),  # the event names the plan and says no more of it
)
SAAS_LOCATIONS = _saas("saas_locations", "get-saas-locations", ids=("locationId",))
SAAS_SUBSCRIPTIONS = _saas(
    "saas_subscriptions",
    "get-location-subscription",
    below=Parent(SAAS_LOCATIONS, "locationId", by_change=True),
    whole=ANYWHERE,
    only_one=True,
    ids=("locationId",),
    noise=frozenset({"traceId"}),  # of the answer, which is the record
)

ALL = (SAAS_PLANS, SAAS_LOCATIONS, SAAS_SUBSCRIPTIONS)
