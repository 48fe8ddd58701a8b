"""Who does what with an event: two tables, and nothing hidden.

`HANDLERS` holds what is registered: INSTALL and UNINSTALL by this room, everything else by the rooms above in their
`AppConfig.ready()`. `IGNORED` are the vendor's types nobody has to care about. What stands in neither is new: it is
stored, answered 200, marked as without a handler like the ignored ones, and written to the log.

A handler runs inside the transaction that marks its event as done. So it works on the database only and enqueues what
needs the network; its effects and the mark are committed together or not at all. Events come at least once over an
event's lifetime (`manage.py replay`), mostly in order: a handler compares timestamps before it overwrites.
It raises Retryable to be called again later, Permanent when that could not help.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from integrations.installs import events as installs
from integrations.webhooks.models import Event

log = structlog.get_logger(__name__)

Handler = Callable[[Event], None]

# FACTS 3.5, by the literal `type`. A registered handler takes precedence.
# fmt: off - one line per resource
IGNORED: frozenset[str] = frozenset(
    {
        "PLAN_CHANGE",
        "EXTERNAL_AUTH_CONNECTED",
        "AppointmentCreate",
        "AppointmentUpdate",
        "AppointmentDelete",
        "AssociationCreate",
        "AssociationUpdate",
        "AssociationDelete",
        "CampaignStatusUpdate",
        "ConversationUnreadUpdate",
        "ContactCreate",
        "ContactUpdate",
        "ContactDelete",
        "ContactDndUpdate",
        "ContactTagUpdate",
        "InboundMessage",
        "OutboundMessage",
        "InvoiceCreate",
        "InvoiceUpdate",
        "InvoiceDelete",
        "InvoiceSent",
        "InvoicePaid",
        "InvoicePartiallyPaid",
        "InvoiceVoid",
        "LCEmailStats",
        "LocationCreate",
        "LocationUpdate",
        "NoteCreate",
        "NoteUpdate",
        "NoteDelete",
        "ObjectSchemaCreate",
        "ObjectSchemaUpdate",
        "OpportunityCreate",
        "OpportunityUpdate",
        "OpportunityDelete",
        "OpportunityAssignedToUpdate",
        "OpportunityMonetaryValueUpdate",
        "OpportunityStageUpdate",
        "OpportunityStatusUpdate",
        "OrderCreate",
        "OrderStatusUpdate",
        "PriceCreate",
        "PriceUpdate",
        "PriceDelete",
        "ProductCreate",
        "ProductUpdate",
        "ProductDelete",
        "RecordCreate",
        "RecordUpdate",
        "RecordDelete",
        "RelationCreate",
        "RelationDelete",
        "SaasPlanCreate",
        "TaskCreate",
        "TaskComplete",
        "TaskDelete",
        "UserCreate",
        "UserUpdate",
        "UserDelete",
        "VoiceAiCallEnd",
    }
)
# fmt: on


def _installed(event: Event) -> None:
    installs.installed(event.app, event.payload, at=event.occurred_at)


def _uninstalled(event: Event) -> None:
    installs.uninstalled(event.app, event.payload, at=event.occurred_at)


HANDLERS: dict[str, tuple[Handler, ...]] = {"INSTALL": (_installed,), "UNINSTALL": (_uninstalled,)}


def on(event_type: str, handler: Callable[[Event], None]) -> None:
    """Have `handler` called for every event of the type, after those registered before it. Call it at start-up."""
    registered = HANDLERS.get(event_type, ())
    if handler not in registered:
        HANDLERS[event_type] = (*registered, handler)


def dispatch(event: Event) -> Event.Status:
    """Run the event's handlers; the status it has earned. What a handler raises passes through."""
    found = HANDLERS.get(event.type, ())
    for handler in found:
        handler(event)
    if not found and event.type not in IGNORED:
        log.info("webhook.unknown_type", type=event.type, webhook_id=event.webhook_id)
    return Event.Status.DONE if found else Event.Status.IGNORED
