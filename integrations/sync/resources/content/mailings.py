"""E-mail templates and campaigns, text templates, documents. v3 lists e-mail campaigns by what started them."""

from __future__ import annotations

from typing import Any

from integrations.sync.resources.base import SOMETIMES, ListingRequest, Resource, Single
from integrations.sync.resources.dates import iso
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.since_filters import dated

_ONLY_V3: dict[str, Any] = {"api": "v3", "elsewhere": {"v2": None}}


def _of_this_location(location_id: str) -> ListingRequest:
    return ListingRequest(params={"originId": location_id})


EMAIL_TEMPLATES = Resource(
    name="email_templates",
    operation="emails.fetch-template",
    elsewhere={
        "v3": {
            "operation": "emails.list-email-templates",
            "single": Single("emails.get-email-template", "templateId"),
        }
    },
)
EMAIL_CAMPAIGNS = Resource(
    name="email_campaigns",
    operation="emails.fetch-campaigns",
    every=SOMETIMES,
    elsewhere={
        "v3": {
            "operation": "emails.list-email-campaigns",
            "single": Single("emails.get-email-campaign", "campaignId"),
        }
    },
)
WORKFLOW_EMAILS = Resource(
    name="workflow_emails",
    operation="emails.list-workflow-campaigns",
    every=SOMETIMES,
    single=Single("emails.get-workflow-campaign", "campaignId"),
    **_ONLY_V3,
)
BULK_EMAILS = Resource(
    name="bulk_emails",
    operation="emails.list-bulk-action-campaigns",
    **dated("dateFrom", "dateTo", iso),
    single=Single("emails.get-bulk-action-campaign", "campaignId"),
    **_ONLY_V3,
)
TEXT_TEMPLATES = Resource(
    name="text_templates", operation="locations.GET-all-or-email-sms-templates", full=_of_this_location
)
DOCUMENTS = Resource(
    name="documents",
    operation="proposals.list-documents-contracts",
    **dated("dateFrom", "dateTo", iso),
    filters=(
        ListingFilter(parameter="status", values=("draft", "sent", "viewed", "completed", "accepted"), field="status"),
    ),
)
DOCUMENT_TEMPLATES = Resource(name="document_templates", operation="proposals.list-documents-contracts-templates")

ALL = (
    EMAIL_TEMPLATES,
    EMAIL_CAMPAIGNS,
    WORKFLOW_EMAILS,
    BULK_EMAILS,
    TEXT_TEMPLATES,
    DOCUMENTS,
    DOCUMENT_TEMPLATES,
)
