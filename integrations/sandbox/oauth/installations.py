"""`/marketplace/app/{appId}/installations`: uninstall (DELETE) and the installer (GET), by either token."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.oauth import lifecycle
from integrations.sandbox.protocol import ApiError, Call, Reply
from integrations.sandbox.server import refusals
from integrations.sandbox.server.context import Platform


def uninstall(platform: Platform, call: Call) -> Reply:
    """A company token takes the app from the agency and all its locations, a location token from that one."""
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


def details(platform: Platform, call: Call) -> Reply:
    """What the vendor says about the installer; a sub-account does not see its agency's address, owner and plan."""
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


def _check_app(platform: Platform, call: Call) -> None:
    if call.path["appId"] != platform.app.app_id:
        message = f"No integration found with the id: {call.path['appId']}"
        raise ApiError(400, {"statusCode": 400, "message": message})
