"""The typed API of one tenant, for code outside of a job: pages, handlers' tasks, commands."""

from __future__ import annotations

from integrations.core.tenant import Tenant, UserType
from integrations.gateway.facade import v2
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App


def tenant_api(app: App, tenant: Tenant, *, lane: Lane = Lane.INTERACTIVE) -> v2.Api:
    """API 2.0 in the name of `app` for one location or company. In a job, `run.api` is the one to use."""
    if tenant.user_type is UserType.LOCATION:
        return v2.Api(app, location=tenant.id, lane=lane)
    return v2.Api(app, company=tenant.id, lane=lane)
