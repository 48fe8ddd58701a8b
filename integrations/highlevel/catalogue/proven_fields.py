"""Required fields of operations' bodies, with the evidence for each.

The vendor's OpenAPI files call more fields required than the vendor does: every public caller of some operations sends
less. So a field counts as required here only with evidence: a complete example body of the vendor, bodies that public
callers report as accepted, or an answer of the vendor that names the field. Path parameters need no evidence. All other
fields are only documented as required (`Body.needs`), and never stop a call.

Keys are the same in both dialects. A test checks that the catalogue has every operation and field of the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.highlevel.catalogue.operation import Operation


@dataclass(frozen=True, slots=True)
class Evidence:
    """`required` fields, and groups of which at least one field is needed. `source` says where this comes from."""

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    source: str = ""


NONE = Evidence()
_EXAMPLE = "the vendor's own example body in its OpenAPI file"
_CALLERS = "bodies of public callers, which the vendor accepted"

ROWS: dict[str, Evidence] = {
    "calendars.create-block-slot": Evidence(
        ("startTime", "endTime"), (("assignedUserId", "calendarId"),), f"{_CALLERS}, with either of the two"
    ),
    "chat-widget.cloneChatWidget": Evidence(("chatWidgetId",), source=_EXAMPLE),
    "chat-widget.createChatWidget": Evidence(("chatType", "name", "version"), source=_EXAMPLE),
    "contacts.search-contacts-advanced": Evidence(("pageLimit",), source="FACTS section 7, from deployed apps"),
    "conversations.add-an-inbound-message": Evidence(
        ("type",), (("conversationId", "contactId"),), f"{_CALLERS}, with either of the two (FACTS 8)"
    ),
    "conversations.send-a-new-message": Evidence(
        ("contactId", "type"),
        (("message", "html", "attachments", "templateId"),),
        f"{_CALLERS}; without any of the group the vendor answers that there is no message to send",
    ),
    "conversations.update-message-status": Evidence(("status",), source="FACTS 8"),
    "invoices.record-invoice": Evidence(("mode",), source=f"{_CALLERS}: card and cheque belong to these two modes"),
    "opportunities.Upsert-opportunity": Evidence(("pipelineId",), source=_CALLERS),
    "phone-system.purchase-phone-number": Evidence(("phoneNumber",), source=_EXAMPLE),
    "social-planner.get-statistics": Evidence(("profileIds",), source=_EXAMPLE),
}


def of(operation: Operation) -> Evidence:
    """The evidence for this operation, `NONE` when there is none."""
    return ROWS.get(operation.key, NONE)
