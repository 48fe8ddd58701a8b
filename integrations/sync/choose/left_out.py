"""Why no resource reads an operation that lists something, and why an event changes no record."""

DEPRECATED = "deprecated"
_SAME = "the same records as `{}`"
_OF_ONE_ACCOUNT = "settings of one upload or account, not records of the location"

# By the operation's key, or by its operationId where both dialects have it in files of different names.
OPERATIONS: dict[str, str] = {
    "calendars.fetch-calendar-resources": "its rows have no id in the vendor's files",
    "chat-widget.listChatWidget": "the vendor does not describe its rows",
    "contacts.get-all-tasks": _SAME.format("tasks"),
    "contacts.get-appointments-for-contact": _SAME.format("calendar_events"),
    "contacts.get-contacts-by-businessId": _SAME.format("contacts"),
    "conversation-ai.list-actions": "an agent's record has its actions",
    "conversations.get-messages": f"{_SAME.format('messages')}, which the location's export gives in far fewer calls",
    "invoices.get-invoice-settings": "settings, one object",
    "invoices.preview-estimate-template": "one object, made for a page",
    "knowledge-base.getCrawlingStatusForLatestOperation": "the progress of one operation",
    "links.search-trigger-links": _SAME.format("trigger_links"),
    "marketplace.get-rebilling-config-for-app": "prices of the app itself",
    "oauth.get-installed-location": "the installations themselves: `installs` reads it",
    "opportunities.search-opportunity": _SAME.format("opportunities"),
    "payments.list-integration-providers": "the vendor does not describe its rows",
    "phone-system.available-numbers": "numbers for sale, not the location's",
    "fetchAvailableCategories": _SAME.format("social_categories"),
    "fetchQueueItems": "the future posts of one queue, made anew whenever it changes",
    "fetchSlots": "the free times of one queue",
    "get-comment-list": "needs the ids of posts at a network, which the vendor does not list",
    "get-csv-post": _OF_ONE_ACCOUNT,
    "get-upload-status": _OF_ONE_ACCOUNT,
    "users.filter-users-by-email": f"{_SAME.format('company_users')}, of those whose addresses are known",
}
_OF_THE_APP = "of the app and its installation: `installs` handles it"
_NO_LISTING = "no operation lists these"
EVENTS: dict[str, str] = {
    "APP_PAYMENT_STATUS": _OF_THE_APP,
    "EXTERNAL_AUTH_CONNECTED": _OF_THE_APP,
    "INSTALL": _OF_THE_APP,
    "PLAN_CHANGE": _OF_THE_APP,
    "UNINSTALL": _OF_THE_APP,
    "UPDATE": _OF_THE_APP,
    "CampaignStatusUpdate": "a contact's way through a campaign, which no operation lists",
    "KnowledgeBaseFileChange": _NO_LISTING,
    "KnowledgeBaseRichTextChange": _NO_LISTING,
    "KnowledgeBaseTableFileChange": _NO_LISTING,
    "LCEmailStats": "the delivery of one e-mail, which no operation lists",
    "SupportTicketCreate": _NO_LISTING,
    "SupportTicketDelete": _NO_LISTING,
    "SupportTicketUpdate": _NO_LISTING,
}
