"""Which operation pages how, and under which names its answer holds rows and total (the vendor's response
schemas).

A bare `count` is never taken for the total: nothing says that it is not the page's own.
Operations that are not listed do not page, or nobody needed them yet: adding one is adding a row. A test
holds every row to the catalogue: the operation exists and takes the parameters that its style sends.
"""

from __future__ import annotations

from integrations.highlevel.dialects import DialectName
from integrations.highlevel.pagination import (
    Step,
    Style,
    last_message,
    offset,
    page_number,
    search_after,
    start_after,
    start_after_date,
    token,
)


def _query(items: str, total: str, size: str, step: Step) -> Style:
    return Style(tuple(items.split()), tuple(total.split()), "query", size, step)


def _skipping(items: str, total: str) -> Style:
    return _query(items, total, "limit", offset("skip"))


def _offset(items: str, total: str) -> Style:
    return _query(items, total, "limit", offset("offset"))


_SHARED: dict[str, Style] = {
    # Cursors
    "contacts.search-contacts-advanced": Style(("contacts",), ("total",), "body", "pageLimit", search_after),
    "conversations.export-messages-by-location": _query("messages", "total", "limit", token("cursor", "nextCursor")),
    "conversations.get-messages": _query("messages.messages messages", "", "limit", last_message),
    "conversations.search-conversation": _query("conversations", "total", "limit", start_after_date),
    "objects.search-object-records": Style(
        ("records",), ("total",), "body", "pageLimit", search_after, start=(("page", 1), ("searchAfter", []))
    ),
    "opportunities.search-opportunities-advanced": Style(
        ("opportunities",), ("total",), "body", "limit", search_after, start=(("page", 1), ("searchAfter", []))
    ),
    "opportunities.search-opportunity": _query("opportunities", "meta.total", "limit", start_after),
    # Page numbers
    "forms.get-forms-submissions": _query("submissions", "meta.total", "limit", page_number(more="meta.nextPage")),
    "surveys.get-surveys-submissions": _query("submissions", "meta.total", "limit", page_number(more="meta.nextPage")),
    "phone-system.active-numbers": _query("numbers", "", "pageSize", page_number()),
    "voice-ai.get-agents": _query("agents", "total", "pageSize", page_number()),
    "voice-ai.get-call-logs": _query("callLogs", "total", "pageSize", page_number()),
    # limit + skip
    "affiliate-manager.list-affiliates": _skipping("affiliates", "meta.total"),
    "affiliate-manager.list-commissions": _skipping("commissions", "meta.total"),
    "affiliate-manager.list-payouts": _skipping("payouts", "meta.total"),
    "businesses.get-businesses-by-location": _skipping("businesses", ""),
    "contacts.get-contacts-by-businessId": _skipping("contacts", ""),
    "custom-menus.get-custom-menus": _skipping("customMenus", "totalLinks"),
    "forms.get-forms": _skipping("forms", "total"),
    "links.search-trigger-links": _skipping("links", ""),
    "locations.search-locations": _skipping("locations", ""),
    "marketplace.getCharges": _skipping("charges", "pagination.total"),
    "opportunities.get-lost-reason": _skipping("lostReasons", "total"),
    "proposals.list-documents-contracts": _skipping("documents", "total"),
    "surveys.get-surveys": _skipping("surveys", "total"),
    "users.search-users": _skipping("users", ""),
    # limit + offset
    "invoices.list-estimates": _offset("estimates", "total"),
    "invoices.list-invoice-schedules": _offset("schedules", "total"),
    "invoices.list-invoice-templates": _offset("data", "totalCount"),
    "invoices.list-invoices": _offset("invoices", "total"),
    "payments.list-orders": _offset("data", "totalCount"),
    "payments.list-subscriptions": _offset("data", "totalCount"),
    "payments.list-transactions": _offset("data", "totalCount"),
    "products.get-product-collection": _offset("data", "total"),
    "products.list-invoices": _offset("products", "total"),
    "products.list-prices-for-product": _offset("prices", "total"),
}

STYLES: dict[DialectName, dict[str, Style]] = {
    "v2": {
        **_SHARED,
        # `count` is documented as all locations of the company, installed or not, so it cannot end a filtered listing.
        "oauth.get-installed-location": _skipping("locations", ""),
        "contacts.get-contacts": _query("contacts", "meta.total", "limit", start_after),
    },
    "v3": {
        **_SHARED,
        "oauth.get-installed-location": _query(
            "items",
            "pagination.totalRecords",
            "pageSize",
            token("pageToken", "pagination.nextPageToken", "pagination.hasNextPage"),
        ),
    },
}


def style_of(operation: str, dialect: DialectName = "v2") -> Style | None:
    """How the operation with this catalogue key pages; None when it does not."""
    return STYLES[dialect].get(operation)
