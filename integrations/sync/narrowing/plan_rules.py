"""What the plans say about records that come in: history, fields that are kept, filters. One query for a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from integrations.sync.models import Plan
from integrations.sync.narrowing.field_choice import EVERYTHING, FieldChoice, needed
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.signed import plan_macs

Key = tuple[int, str, str]  # app, location, resource


@dataclass(frozen=True, slots=True)
class PlanRules:
    """Of the plans of one resource. Without one all fields are kept, there is no filter, and there is no history.

    `narrowed` are the resource as each plan lists it; without one everything is listed.
    """

    keeps_history: bool = False
    fields: FieldChoice = EVERYTHING
    always: frozenset[str] = frozenset()
    narrowed: tuple[Resource, ...] = ()
    is_ours: bool = True  # False for a plan that this application did not write like this

    def kept(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a payload that are stored."""
        return self.fields.kept(payload, self.always)

    def lets_in(self, payload: Mapping[str, Any]) -> bool:
        """Whether a record that the copy does not have is new there, and not left out by the filters.

        An event may not say. Then the next run decides.
        """
        return not self.narrowed or any(one.fits(payload) is True for one in self.narrowed)


ANY = PlanRules()


def of(app_ids: Collection[int], location_ids: Collection[str], resources: Collection[str]) -> dict[Key, PlanRules]:
    """The rules of these plans, as far as they say anything."""
    plans = Plan.objects.filter(app__in=app_ids, location_id__in=location_ids, resource__in=resources)
    found = sorted(plans.only(*plan_macs.COLUMNS), key=lambda plan: (*_key(plan), plan.variant))
    rules = {key: _rules(list(rows)) for key, rows in groupby(found, key=_key)}
    return {key: one for key, one in rules.items() if one != ANY}


def _key(plan: Plan) -> Key:
    return plan.app_id, plan.location_id, plan.resource


def _rules(plans: list[Plan]) -> PlanRules:
    """Those of one resource: the plan without a variant first, if there is one."""
    resource, main = RESOURCES.get(plans[0].resource), plans[0] if not plans[0].variant else None
    if resource is None:
        return ANY
    if main is not None and not plan_macs.fits(main):
        return PlanRules(is_ours=False)
    variants = [plan for plan in plans if plan.variant and plan.enabled and plan_macs.fits(plan)]
    listings = variants if main is None or (variants and not main.enabled) else [main, *variants]
    # One that lists everything lets everything in, whatever the others leave out.
    everything = any(not plan.filters for plan in listings)
    narrowed = () if everything else tuple(resource.narrowed(plan.filters) for plan in listings)
    if main is None:
        return PlanRules(narrowed=narrowed)
    always = needed(resource) if main.fields else frozenset[str]()
    return PlanRules(main.keeps_history, FieldChoice.of_json(main.fields), always, narrowed)
