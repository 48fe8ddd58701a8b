"""The newest contacts of the location, from the synced copy; a form tags the chosen ones at HighLevel."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from hlapp.api import EmbeddedRequest, audit, embedded_page, records

SHOWN = 25


@embedded_page()
def contacts(request: EmbeddedRequest) -> HttpResponse:
    """GET lists the newest contacts; POST adds `tag` to those whose ids are in the fields `contact`."""
    tenant = request.tenant
    if request.method == "POST":
        for contact_id in request.POST.getlist("contact"):
            tenant.api.contacts.add_tags(contactId=contact_id, body={"tags": [request.POST["tag"]]})
            audit("tagging.tag", actor=tenant.actor, subject=tenant.tenant.audit_subject, contact=contact_id)
        return redirect(request.path)
    newest = records.contacts.for_tenant(tenant.tenant, tenant.app).newest(SHOWN)
    return render(request, "tagging/contacts.html", {"contacts": newest})
