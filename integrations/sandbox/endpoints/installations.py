"""`/marketplace/app/{appId}/installations`: uninstall (DELETE) and installer details (GET), with either token."""

from __future__ import annotations

from typing import Any

from integrations.sandbox import refusals
from integrations.sandbox.context import Platform
from integrations.sandbox.endpoints import lifecycle
from integrations.sandbox.protocol import ApiCall, ApiError, Reply


def uninstall(platform: Platform, call: ApiCall) -> Reply:
    """Uninstall the app: with a company token from the agency and all its locations, else from the one location."""
    _check_app(platform, call)
    fields: dict[str, Any] = call.body if isinstance(call.body, dict) else {}
    if not isinstance(fields.get("reason"), str) or not fields["reason"]:
        raise refusals.invalid("reason should not be empty")
    if call.location is not None:
        if fields.get("locationId") != call.location.id:
            raise refusals.invalid("locationId should not be empty")
        return Reply({"success": lifecycle.uninstall_location(platform, call.location.id)})
    if fields.get("companyId") != call.company_id:
        raise refusals.invalid("companyId should not be empty")
    return Reply({"success": lifecycle.uninstall_company(platform, call.company_id)})


def details(platform: Platform, call: ApiCall) -> Reply:
    """Details of the installer. A location token gets no e-mail, owner or plan of the agency."""
    _check_app(platform, call)
    company = platform.world.companies[call.company_id]
    shown = call.location is None
    installs = platform.installs
    install = installs.locations[call.location.id] if call.location else installs.companies[company.id]
    owner = next(iter(company.users.values()), None)
    body: dict[str, Any] = {
        "companyId": company.id,
        "companyName": company.name,
        "relationshipNumber": "0-000-001",
        "companyEmail": company.email if shown else None,
        "companyOwnerFullName": f"{owner.first_name} {owner.last_name}" if owner and shown else None,
        "userId": install.user_id,
        "isWhitelabelCompany": False,
        "companyPlan": "agency_monthly_497" if shown else None,
    }
    if call.location is not None:
        body["locationId"] = call.location.id
    return Reply({"installationDetails": body})


def _check_app(platform: Platform, call: ApiCall) -> None:
    if call.path["appId"] != platform.app.app_id:
        message = f"No integration found with the id: {call.path['appId']}"
        raise ApiError(400, {"statusCode": 400, "message": message})
