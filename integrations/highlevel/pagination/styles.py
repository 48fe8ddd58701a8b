"""Pagination styles by operation: how each listing pages, and which fields of its response hold rows and total.

A row is a family of parameters (`skips`, `offsets`, `numbers` …) with the path of the rows, then that of the total, as
the vendor's response schemas have them; ANYWHERE where they have none. A total is named only where it counts what the
listing returns, because it is compared with the rows. A bare `count` never is: for some operations it counts the page,
for others everything there is, with any filter.

Tests compare each row with the catalogue and the vendor's files. Each operation whose parameters look like paging needs
a row here or a reason in NO_PAGES; until it has one, `guesses` has a style that is marked as guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.pagination import guesses
from integrations.highlevel.pagination.families import (
    body_skips,
    last_ids,
    numbers,
    offsets,
    query,
    skips,
    tokens,
)
from integrations.highlevel.pagination.jumps import BY_NUMBER
from integrations.highlevel.pagination.pages import ANYWHERE, Style
from integrations.highlevel.pagination.steps import last_message, search_after, start_after, start_after_date

_SEARCH: dict[str, Any] = {"start": (("page", 1), ("searchAfter", [])), "part": "body", "jump": BY_NUMBER}

_CURSORS = {
    "contacts.search-contacts-advanced": query(
        "contacts", "total", "pageLimit", search_after, "page searchAfter", part="body", jump=BY_NUMBER
    ),
    "conversation-ai.search-agent": last_ids("agents", "startAfter"),
    "conversations.export-messages-by-location": tokens("messages", "total", "limit", "cursor", "nextCursor"),
    "conversations.get-messages": query("messages.messages messages", "", "limit", last_message, "lastMessageId"),
    "conversations.search-conversation": query("conversations", "total", "limit", start_after_date, "startAfterDate"),
    "knowledge-base.list": tokens("faqs", "", "limit", "lastFaqId", "lastFaqId", "hasMore"),
    "knowledge-base.listAllKnowledgeBasesPaginated": tokens(
        "data.knowledgeBases", "", "limit", "lastKnowledgeBaseId", "data.lastKnowledgeBaseId", "data.hasMore"
    ),
    "objects.search-object-records": query(
        "records", "total", "pageLimit", search_after, "page searchAfter", **_SEARCH
    ),
    "opportunities.search-opportunities-advanced": query(
        "opportunities", "total", "limit", search_after, "page searchAfter", **_SEARCH
    ),
    "opportunities.search-opportunity": query(
        "opportunities", "meta.total", "limit", start_after, "page startAfter startAfterId"
    ),
    "snapshots.get-snapshot-push": last_ids("data", "lastDoc"),
}
_NUMBERS = {
    "forms.get-forms-submissions": numbers("submissions", "meta.total", "limit", "meta.nextPage"),
    "knowledge-base.getAllWebsiteUrlsDataByKnowledgeBase": numbers("urls", "", "pageLength"),
    "surveys.get-surveys-submissions": numbers("submissions", "meta.total", "limit", "meta.nextPage"),
    "voice-ai.get-agents": numbers("agents", "total", "pageSize", most=50),
    "voice-ai.get-call-logs": numbers("callLogs", "total", "pageSize", most=50),
}
_SKIPS = {
    "affiliate-manager.list-affiliates": skips("affiliates"),
    "affiliate-manager.list-commissions": skips("commissions"),
    "affiliate-manager.list-payouts": skips("payouts"),
    "associations.find-associations": skips(ANYWHERE),
    "associations.get-relations-by-record-id": skips(ANYWHERE),
    "blogs.get-blogs": skips("data"),
    "businesses.get-businesses-by-location": skips("businesses"),
    "calendars.fetch-calendar-resources": skips(ANYWHERE),
    "calendars.get-event-notification": skips(ANYWHERE),
    "calendars.getAllSchedules": skips("schedules"),
    "contacts.get-contacts-by-businessId": skips("contacts"),
    "custom-menus.get-custom-menus": skips("customMenus", "totalLinks"),
    "forms.get-forms": skips("forms", "total", most=50),
    "links.search-trigger-links": skips("links"),
    "locations.GET-all-or-email-sms-templates": skips("templates", "totalCount"),
    "locations.search-locations": skips("locations"),
    "locations.task-search": body_skips("tasks"),
    "marketplace.getCharges": skips("charges", "pagination.total"),
    "opportunities.get-lost-reason": skips("lostReasons", "total"),
    "proposals.list-documents-contracts": skips("documents", "total"),
    "proposals.list-documents-contracts-templates": skips("data", "total"),
    "surveys.get-surveys": skips("surveys", "total", most=50),
    "users.filter-users-by-email": body_skips("users", text=True),
    "users.search-users": skips("users"),
}
_OFFSETS = {
    "agent-studio.getAgents": offsets("agents", "pagination.total", "pagination.hasMore"),
    "agent-studio.getAgents-deprecated": offsets("agents", "pagination.total", "pagination.hasMore"),
    "blogs.get-all-blog-authors-by-location": offsets("authors"),
    "blogs.get-all-categories-by-location": offsets("categories"),
    "blogs.get-blog-post": offsets("blogs"),
    "brand-boards.getBrandBoardsByLocation": offsets("brandBoards", "totalCount"),
    "calendars.get-appointment-notes": offsets("notes", "", "hasMore", most=20),
    "funnels.fetch-redirects-list": offsets(ANYWHERE),
    "funnels.getFunnels": offsets(ANYWHERE),
    "funnels.getPagesByFunnelId": offsets(ANYWHERE),
    "invoices.list-estimate-templates": offsets("data", "totalCount"),
    "invoices.list-estimates": offsets("estimates", "total"),
    "invoices.list-invoice-schedules": offsets("schedules", "total"),
    "invoices.list-invoice-templates": offsets("data", "totalCount"),
    "invoices.list-invoices": offsets("invoices", "total"),
    "medias.fetch-media-content": offsets("files"),
    "payments.list-coupons": offsets("data", "totalCount"),
    "payments.list-integration-providers": offsets(ANYWHERE),
    "payments.list-orders": offsets("data", "totalCount"),
    "payments.list-subscriptions": offsets("data", "totalCount"),
    "payments.list-transactions": offsets("data", "totalCount"),
    "products.get-list-inventory": offsets("inventory", "total.total total"),
    "products.get-product-collection": offsets("data", "total"),
    "products.get-product-reviews": offsets("data", "total"),
    "products.list-invoices": offsets("products", "total"),
    "products.list-prices-for-product": offsets("prices", "total"),
    "store.list-shipping-rates": offsets("data", "total"),
    "store.list-shipping-zones": offsets("data", "total"),
}
_BOTH = {**_CURSORS, **_NUMBERS, **_SKIPS, **_OFFSETS}

# Files that v3 has renamed.
_SAAS_PAGE = numbers("locations", "pagination.total", "", "pagination.hasNext")
_SAAS = {
    "get-saas-locations": _SAAS_PAGE,  # no schema: its deprecated name has one
    "get-saas-locations-deprecated": _SAAS_PAGE,
}
_SOCIAL = {
    "get-categories-location-id": skips("results.categories"),
    "get-csv-post": skips("results.posts"),
    "get-posts": body_skips("results.posts", text=True),
    "get-tags-location-id": skips("results.tags"),
    "get-upload-status": skips("results.csvs"),
}


def _of(file: str, styles: Mapping[str, Style]) -> dict[str, Style]:
    return {f"{file}.{name}": style for name, style in styles.items()}


STYLES: dict[DialectName, dict[str, Style]] = {
    "v2": {
        **_BOTH,
        **_of("saas-api", _SAAS),
        **_of("social-media-posting", _SOCIAL),
        "contacts.get-contacts": query("contacts", "meta.total", "limit", start_after, "startAfter startAfterId"),
        "emails.fetch-campaigns": offsets("schedules"),
        "emails.fetch-template": offsets(ANYWHERE),
        # `count` is documented as all locations of the company, installed or not, so it cannot end a filtered listing.
        "oauth.get-installed-location": skips("locations"),
        "phone-system.active-numbers": numbers("numbers", "", "pageSize", first=0),
    },
    "v3": {
        **_BOTH,
        **_of("saas", _SAAS),
        **_of("social-planner", _SOCIAL),
        "brand-boards.list-brand-voices": offsets("items", "total", most=20),
        "chat-widget.listChatWidget": offsets(ANYWHERE),
        "emails.list-bulk-action-campaigns": offsets("campaigns", "total", most=20),
        "emails.list-email-campaigns": offsets("campaigns", "total", most=20),
        "emails.list-email-templates": offsets("items", "total", most=20),
        "emails.list-workflow-campaigns": offsets("campaigns", "total", most=20),
        "oauth.get-installed-location": tokens(
            "items",
            "pagination.totalRecords",
            "pageSize",
            "pageToken",
            "pagination.nextPageToken",
            "pagination.hasNextPage",
        ),
        "phone-system.active-numbers": numbers("data.numbers", "data.total", "pageSize", first=0),
        "social-planner.fetchAvailableCategories": skips("results.categories"),
        "social-planner.fetchQueueItems": body_skips("results.items"),
        "social-planner.fetchQueues": body_skips("results.queues"),
        "social-planner.fetchSlots": body_skips("results.slots", "results.total"),
        "social-planner.get-comment-list": body_skips("results.comments", "results.meta.total", "results.meta.hasMore"),
    },
}

_UNDESCRIBED = "HighLevel does not describe its answer; send `next` from the answer before, or fetchAll=true"
_A_PAGE_OF_THEIRS = "`page` is the social network's page, for a browser"
# Operations whose parameters look like paging but that are no listing, by the end of their key: the reason.
NO_PAGES: dict[str, str] = {
    "fb-get-ad-accounts": _UNDESCRIBED,
    "fb-get-entity": _UNDESCRIBED,
    "start-facebook-oauth": _A_PAGE_OF_THEIRS,
    "start-google-oauth": _A_PAGE_OF_THEIRS,
    "start-instagram-oauth": _A_PAGE_OF_THEIRS,
    "start-linkedin-oauth": _A_PAGE_OF_THEIRS,
    "start-oauth": _A_PAGE_OF_THEIRS,
    "start-tiktok-business-oauth": _A_PAGE_OF_THEIRS,
    "start-tiktok-oauth": _A_PAGE_OF_THEIRS,
    "start-twitter-oauth": _A_PAGE_OF_THEIRS,
}


def style_of(operation: str, dialect: DialectName = "v2") -> Style | None:
    """The pagination style of the operation with this catalogue key; None when it does not page."""
    return STYLES[dialect].get(operation) or guesses.styles(dialect).get(operation)


def is_decided(operation: str, dialect: DialectName) -> bool:
    """Whether the operation has a row or a reason here, so that there is nothing to guess."""
    return operation in STYLES[dialect] or operation.partition(".")[2] in NO_PAGES


def is_guessed(operation: str, dialect: DialectName) -> bool:
    """Whether the operation's style is only a guess."""
    return operation not in STYLES[dialect] and operation in guesses.styles(dialect)


def why_not(operation: str) -> str:
    """The reason why an operation without a style has no pages."""
    unknown = any(operation in rows for rows in guesses.committed().values())
    return NO_PAGES.get(operation.partition(".")[2], "its pagination is unknown" if unknown else "its answer is whole")
