"""The request that lists a run's resource, with the company of its location where the vendor wants that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.core.errors import BadRequest, InstallPending
from integrations.quota.permits.lanes import Lane
from integrations.sync import pace
from integrations.sync.models import Plan, Run
from integrations.sync.resources import ListingRequest, Resource
from integrations.tenants.credential_kinds import API_1
from integrations.tenants.models import Location

DEADLINE_SECONDS = 10.0  # seconds for one answer; two of them and a token refresh stay below the lease's term
COMPANY_UNKNOWN = 300.0  # seconds until the reconciler is likely to have learned it


def of(run: Run, resource: Resource) -> ListingRequest:
    """The request, which is the same for every page of a run: the plan's cursor changes only when the run completes."""
    cursor_at = run.plan.cursor_at if run.kind == Run.Kind.INCREMENTAL else None
    request = resource.request(run.plan.location_id, pace.since(cursor_at) if cursor_at else None)
    if not resource.needs_company:
        return request
    return replace(request, params={**(request.params or {}), "companyId": _company_of(run.plan)})


def call(plan: Plan) -> dict[str, Any]:
    """What every call of the plan's runs has in common."""
    return {
        "version": API_1 if plan.api_name == API_1 else None,
        "app": plan.app,
        plan.tenant.kind: plan.tenant.id,
        "lane": Lane.BULK,
        "deadline": DEADLINE_SECONDS,
    }


def resource_of(plan: Plan) -> Resource:
    """The plan's resource. Raises BadRequest where it cannot be listed as the plan says."""
    resource = plan.definition
    if resource is None:
        raise BadRequest(f"there is no resource {plan.resource!r} here in {plan.api_name}")
    if resource.cannot_filter:
        lacking = ", ".join(resource.cannot_filter)
        raise BadRequest(f"API {plan.api_name} cannot list {resource.name} by {lacking}: choose other filters")
    return resource


def _company_of(plan: Plan) -> str:
    """The company of the plan's location. Raises InstallPending until the vendor has named it."""
    found = Location.objects.filter(pk=plan.location_id).values_list("company_id", flat=True).first()
    if found is None:
        raise InstallPending(
            f"the company of location {plan.location_id} is not known yet", retry_after=COMPANY_UNKNOWN
        )
    return str(found)
