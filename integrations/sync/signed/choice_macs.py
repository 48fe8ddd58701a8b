"""MACs of what was chosen: resources (`ResourceChoice`), variants (`ChosenVariant`), adaptive intervals.

A choice that does not fit counts as one against the resource: new locations get no plan for it, and stored plans stay
as they are. Intervals adapt by no choice that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.core.runs.querysets import Fields
from integrations.sync.models import AdaptiveChoice, ChosenVariant, Plan, ResourceChoice, Run
from integrations.sync.signed import plan_macs
from integrations.sync.tables import sync_run_mac
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable

BOUNDS = ("enabled", "shortest", "longest", "calls_per_day")


def fits(choice: ResourceChoice) -> bool:
    """Whether this application wrote the choice of a resource."""
    return row_macs.fits(choice.mac, _resource(choice))


def signed(choice: ResourceChoice) -> ResourceChoice:
    """The choice of a resource with the MAC of what it has now."""
    choice.mac = row_macs.mac(_resource(choice))
    return choice


def variant_fits(row: ChosenVariant) -> bool:
    """Whether this application wrote the choice of a variant."""
    return row_macs.fits(row.mac, _variant(row))


def variant_mac(row: ChosenVariant) -> bytes:
    """The MAC of a variant with what it has now."""
    return row_macs.mac(_variant(row))


def adaptive_fits(choice: AdaptiveChoice) -> bool:
    """Whether this application wrote the bounds of adaptive intervals."""
    return row_macs.fits(choice.mac, _adaptive(choice.app_id, {name: getattr(choice, name) for name in BOUNDS}))


def adaptive_mac(app_id: int, bounds: Fields) -> bytes:
    """The MAC of these bounds."""
    return row_macs.mac(_adaptive(app_id, bounds))


def register(discarded_plans: Callable[[Sequence[Plan], str], None]) -> None:
    """Register the tables with `vault.signed_tables`, and what discards plans. Called once at start-up."""
    going_on = Run.objects.filter(status="running") | Run.objects.filter(status="failed").exclude(checkpoint={})
    signed_tables.register(
        SignedTable(Plan, Plan.objects.all, plan_macs.lacks, discarded=discarded_plans),
        SignedTable(Run, going_on.all, _lacks_of_run),
        SignedTable(ResourceChoice, ResourceChoice.objects.all, _lacks_of_choice, discarded=_leave_out),
        SignedTable(AdaptiveChoice, AdaptiveChoice.objects.all, _lacks_of_adaptive),
        SignedTable(ChosenVariant, ChosenVariant.objects.all, _lacks_of_variant),
    )


def _leave_out(choices: Sequence[ResourceChoice], _by: str) -> None:
    """Choose what counts while the row does not fit: without a row the resource's default would count."""
    for choice in choices:
        left_out = signed(ResourceChoice(pk=choice.pk, app=choice.app, resource=choice.resource, enabled=False))
        left_out.save(force_update=True)


def _resource(choice: ResourceChoice) -> bytes:
    every = None if choice.every is None else choice.every.total_seconds()
    what: list[Any] = [choice.enabled, every, choice.keeps_history, choice.fields, choice.filters]
    if choice.calls_per_day is not None:  # the release before knows no such choice
        what.append(choice.calls_per_day)
    return row_macs.stored_content("choice of a resource", choice.app_id, choice.resource, *what)


def _variant(row: ChosenVariant) -> bytes:
    every = None if row.every is None else row.every.total_seconds()
    whose = row.app_id, row.location_id, row.resource, row.name
    return row_macs.stored_content("variant of a resource", *whose, row.enabled, every, row.filters)


def _adaptive(app_id: int, bounds: Fields) -> bytes:
    times = [bounds[name].total_seconds() for name in ("shortest", "longest")]
    return row_macs.stored_content("adaptive intervals", app_id, bounds["enabled"], *times, bounds["calls_per_day"])


def _lacks_of_run(row: Run) -> Fields:
    content = sync_run_mac.of(row.plan_id, row.started_at, row.kind, row.status, sync_run_mac.digest(row.checkpoint))
    return row_macs.other({"mac": row.mac}, {"mac": row_macs.mac(content)})


def _lacks_of_choice(row: ResourceChoice) -> Fields:
    has = {"mac": row.mac}
    return row_macs.other(has, {"mac": signed(row).mac})


def _lacks_of_variant(row: ChosenVariant) -> Fields:
    return row_macs.other({"mac": row.mac}, {"mac": variant_mac(row)})


def _lacks_of_adaptive(row: AdaptiveChoice) -> Fields:
    mac = adaptive_mac(row.app_id, {name: getattr(row, name) for name in BOUNDS})
    return row_macs.other({"mac": row.mac}, {"mac": mac})
