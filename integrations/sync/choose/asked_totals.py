"""Asks the vendor how many records a location or company has of a resource: a call for each, before it is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.quota.permits.lanes import Lane
from integrations.sync import listing
from integrations.sync.resources import RESOURCES
from integrations.tenants.credential_kinds import API_1
from integrations.tenants.models import App, Installation

MOST = 10  # calls of one question: an operator waits for them
_SECONDS = 5.0  # for one answer


def ask(
    app: App, tenant: Tenant, names: Iterable[str], filters: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[dict[str, int], dict[str, str]]:
    """The vendor's totals by resource, and why there is none for others that were asked for.

    With `filters`, by resource, those of narrowed listings.

    Resources whose listing has no total are left out, and so are those after the first ten. Call it outside any
    transaction.
    """
    mine = Installation.objects.filter(app=app, user_type=tenant.user_type, resource_id=tenant.id)
    row = mine.select_related("app").first()
    api_name = app.dialect_name if row is None else row.api_name
    here = {name: RESOURCES[name].on(api_name) for name in names}
    countable = ((name, resource) for name, resource in here.items() if resource is not None and resource.has_total)
    call: dict[str, Any] = {"app": app, tenant.kind: tenant.id, "lane": Lane.INTERACTIVE, "deadline": _SECONDS}
    totals: dict[str, int] = {}
    refused: dict[str, str] = {}
    for name, resource in islice(countable, MOST):
        request = resource.narrowed((filters or {}).get(name, {})).count_request(tenant.id)
        try:
            got = listing.page(
                resource.operation,
                params=request.params,
                body=request.body,
                version=API_1 if api_name == API_1 else None,
                **call,
            )
        except IntegrationError as error:
            refused[name] = str(error)
        else:
            if got.total is not None:
                totals[name] = got.total
    return totals, refused
