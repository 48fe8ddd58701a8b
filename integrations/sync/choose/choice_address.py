"""The address of the pages of choices, which names the app, and the location or company if it is about one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from integrations.core import texts
from integrations.core.tenant import Tenant
from integrations.tenants.models import App, Installation


def address(app_id: int, tenant: Tenant | None = None, page: str = "sync_plan_choose") -> str:
    """The address of a page for an app, or for one of its locations or companies."""
    query: dict[str, Any] = {"app": app_id}
    if tenant is not None:
        query[tenant.kind] = tenant.id
    return f"{reverse(f'admin:{page}')}?{urlencode(query)}"


def place(request: HttpRequest) -> tuple[App | None, Tenant | None]:
    """The app and tenant that a request is about; no app where there is none yet.

    Raises Http404 for an app or tenant that there is not.
    """
    number, location_id, company_id = (request.GET.get(name, "") for name in ("app", "location", "company"))
    app = get_object_or_404(App, pk=texts.whole(number)) if number else App.objects.order_by("name").first()
    if not location_id and not company_id:
        return app, None
    tenant = Tenant.location(location_id) if location_id else Tenant.company(company_id)
    rows = Installation.objects.installed().filter(user_type=tenant.user_type, resource_id=tenant.id)
    if app is None or not rows.filter(app=app).exists():
        raise Http404
    return app, tenant
