"""The agency, for its own company token."""

from __future__ import annotations

from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import other_location


def get(call: ApiCall) -> Reply:
    """Return the agency of the token."""
    if call.path["companyId"] != call.company_id:
        raise other_location()
    company = call.world.companies[call.company_id]
    fields = {
        "id": company.id,
        "name": company.name,
        "email": company.email,
        "customerType": "agency",
        "status": "active",
        "locationCount": len(company.locations),
        "isReselling": False,
    }
    return Reply({"company": fields})


ROUTES = (Route("GET", "/companies/{companyId}", "get-company", get, ("companies.readonly",), ("Company",)),)
