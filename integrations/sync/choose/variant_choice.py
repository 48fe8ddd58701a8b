"""Chooses variants of resources, for all tenants of an app or for one, with an estimate before.

Plans follow within seconds (`variants.variant_plans`). Every choice goes through `choose` or `remove`, which write the
audit trail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations.core import audit
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync import plans, resource_choices
from integrations.sync.choose import asked_totals, estimates
from integrations.sync.choose.estimates import Estimate
from integrations.sync.models import ChosenVariant
from integrations.sync.narrowing import what_is_kept
from integrations.sync.resource_choices import LONGEST, SHORTEST
from integrations.sync.resources import RESOURCES
from integrations.sync.signed import choice_macs
from integrations.sync.variants import variant_plans
from integrations.tenants.models import App

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a resource. `every` is None for the resource's interval. One that is not `enabled` does not run.

    `is_own` says that a tenant chose it for itself.
    """

    resource: str
    name: str
    filters: Mapping[str, str]
    every: timedelta | None = None
    enabled: bool = True
    is_own: bool = False

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")

    @property
    def interval(self) -> timedelta:
        """The wait between two runs."""
        return self.every or RESOURCES[self.resource].every

    @property
    def filters_text(self) -> str:
        """The filters, for people."""
        return what_is_kept.filters_text(self.filters)

    def check(self) -> None:
        """Raise BadRequest for a variant that cannot be."""
        if self.resource not in RESOURCES:
            raise BadRequest(f"there is no resource {self.resource}: `manage.py sync resources` lists them")
        if not _NAME.fullmatch(self.name):
            raise BadRequest("the name of a variant has at most 40 small letters, digits, _ and -")
        if not self.filters:
            raise BadRequest("a variant lists less than the resource: it needs a filter")
        what_is_kept.check_filters(self.resource, self.filters)
        if self.every is not None and not SHORTEST <= self.every <= LONGEST:
            raise BadRequest("an interval has 5 minutes at least and 28 days at most")


def chosen(app: App, tenant: Tenant | None = None) -> list[Variant]:
    """The app's variants, or those that count at one tenant, by resource and name."""
    rows = variant_plans.chosen(app.pk, tenant.id if tenant else "")
    found = [rows[key] for key in sorted(rows) if key[0] in RESOURCES]
    return [
        Variant(row.resource, row.name, row.filters, row.every, row.enabled, bool(row.location_id))
        for row in found
        if tenant is None or RESOURCES[row.resource].level is tenant.user_type
    ]


def choose(app: App, wanted: Variant, now: datetime, *, actor: str, tenant: Tenant | None = None) -> None:
    """Choose a variant, or change it. Raises BadRequest as `check`, and for a tenant that cannot have the resource."""
    wanted.check()
    rows = resource_choices.installations(app, [wanted.resource], tenant)
    row = ChosenVariant(
        app=app,
        location_id=tenant.id if tenant else "",
        resource=wanted.resource,
        name=wanted.name,
        enabled=wanted.enabled,
        every=wanted.every,
        filters=dict(wanted.filters),
    )
    row.mac = choice_macs.variant_mac(row)
    with transaction.atomic():
        before = _told(_chosen_here(app, wanted.resource, wanted.name, tenant).first())
        ChosenVariant.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["app", "location_id", "resource", "name"],
            update_fields=["enabled", "every", "filters", "mac"],
        )
        rows.sync_at(now)
        audit.record(
            "sync.variant",
            actor=actor,
            subject=tenant.audit_subject if tenant else f"App:{app.pk}",
            resource=wanted.resource,
            variant=wanted.name,
            changed=audit.changes(before, _told(row)),
        )


def remove(app: App, resource: str, name: str, now: datetime, *, actor: str, tenant: Tenant | None = None) -> None:
    """Remove the app's choice of a variant, or a tenant's own one, whereupon the app's counts there. Records stay.

    Raises BadRequest where there is none.
    """
    rows = resource_choices.installations(app, [resource], tenant)
    mine = _chosen_here(app, resource, name, tenant)
    with transaction.atomic():
        before = _told(mine.first())
        if not mine.delete()[0]:
            raise BadRequest(f"no variant {name} of {resource} was chosen here")
        rows.sync_at(now)
        audit.record(
            "sync.variant_removed",
            actor=actor,
            subject=tenant.audit_subject if tenant else f"App:{app.pk}",
            resource=resource,
            variant=name,
            changed=audit.changes(before, dict.fromkeys(before)),
        )


def _chosen_here(app: App, resource: str, name: str, tenant: Tenant | None) -> QuerySet[ChosenVariant]:
    here = tenant.id if tenant else ""
    return ChosenVariant.objects.filter(app=app, location_id=here, resource=resource, name=name)


def _told(row: ChosenVariant | None) -> dict[str, Any]:
    """What the audit trail tells of a choice; nothing of none."""
    return {} if row is None else {"enabled": row.enabled, "filters": row.filters, "every": row.every}


def estimate(app: App, wanted: Variant, *, tenant: Tenant | None = None, count: bool = False) -> Estimate | None:
    """What the variant costs at a tenant, or at the one with the most records; None where its API cannot list it.

    Without `count`, which asks HighLevel how many records fit, no more is known than the resource's records: an upper
    bound. Raises BadRequest as `check`.
    """
    wanted.check()
    totals: dict[str, int] = {}
    if count and tenant is not None:
        totals, _ = asked_totals.ask(app, tenant, [wanted.resource], {wanted.resource: wanted.filters})
    every = {wanted.resource: wanted.interval}
    if tenant is not None:
        found = estimates.of(app.pk, tenant.id, plans.api_name(app, tenant), totals, every)
    else:
        largest = {name: one.largest for name, one in estimates.known(app.pk).items()}
        found = estimates.of_counts(app.dialect_name, largest, every)
    return found.get(wanted.resource)
