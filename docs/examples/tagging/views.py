"""The contacts of one location, from the synced copy; a button tags one at HighLevel."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from hlapp.api import App, Tenant, audit, opened, records, tenant_api

TAG, SHOWN = "vip", 25


@require_http_methods(["GET", "POST"])
@permission_required("operators.view_personal_data", login_url="admin:login")
def contacts(request: HttpRequest, app_id: str, location_id: str) -> HttpResponse:
    """GET lists the newest contacts; POST tags the one whose id is in the field `contact`."""
    app = get_object_or_404(App, highlevel_id=app_id)
    if request.method == "POST":
        contact_id = request.POST["contact"]
        tenant = Tenant.location(location_id)
        tenant_api(app, tenant).contacts.add_tags(contactId=contact_id, body={"tags": [TAG]})
        audit("tagging.tag", actor=request.user.get_username(), subject=tenant.audit_subject, contact=contact_id)
        return redirect(request.path)
    newest = records(app, location_id, "contacts").order_by("-pk")[:SHOWN]
    rows = [contact for _, contact in opened(newest)]
    return render(request, "tagging/contacts.html", {"contacts": rows, "tag": TAG})
