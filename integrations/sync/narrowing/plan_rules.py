"""What the plans say about records that come in: history, fields that are kept, filters. One query for a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.sync.models import Plan
from integrations.sync.narrowing.field_choice import EVERYTHING, FieldChoice, needed
from integrations.sync.resources import RESOURCES, Resource

Key = tuple[int, str, str]  # app, location, resource


@dataclass(frozen=True, slots=True)
class PlanRules:
    """Of one plan. Without one all fields are kept, there is no filter, and there is no history."""

    keeps_history: bool = False
    fields: FieldChoice = EVERYTHING
    always: frozenset[str] = frozenset()
    narrowed: Resource | None = None

    def kept(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a payload that are stored."""
        return self.fields.kept(payload, self.always)

    def lets_in(self, payload: Mapping[str, Any]) -> bool:
        """Whether a record that the copy does not have is new there, and not left out by a filter.

        An event may not say. Then the next run decides.
        """
        return self.narrowed is None or self.narrowed.fits(payload) is True


ANY = PlanRules()


def of(app_ids: Collection[int], location_ids: Collection[str], resources: Collection[str]) -> dict[Key, PlanRules]:
    """The rules of these plans, as far as they say anything."""
    plans = Plan.objects.filter(app__in=app_ids, location_id__in=location_ids, resource__in=resources)
    columns = ("app_id", "location_id", "resource", "keeps_history", "fields", "filters")
    found = (row for row in plans.values_list(*columns) if any(row[3:]) and row[2] in RESOURCES)
    return {(app, location, name): _rules(name, *row) for app, location, name, *row in found}


def _rules(name: str, keeps_history: bool, fields: Mapping[str, Any], filters: Mapping[str, str]) -> PlanRules:
    choice = FieldChoice.of_json(fields)
    always = needed(RESOURCES[name]) if fields else frozenset[str]()
    return PlanRules(keeps_history, choice, always, RESOURCES[name].narrowed(filters) if filters else None)
