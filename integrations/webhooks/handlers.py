"""Who does what with an event: two tables, and nothing hidden.

`HANDLERS` holds what is registered: INSTALL and UNINSTALL by this room, everything else by the rooms above in their
`AppConfig.ready()`. `IGNORED` are the vendor's types nobody has to care about. What stands in neither is new: it is
stored, answered 200, marked as without a handler like the ignored ones, and written to the log.

A handler runs inside the transaction that marks its event. So it works on the database only and enqueues what needs the
network; its effects and the mark are committed together or not at all. One that fails undoes its own effects and nobody
else's, and all are called again with the event: so a handler bears being called twice, as it must anyway (`manage.py
replay`), and compares timestamps before it overwrites. It raises Retryable to be called again later, Permanent when
that could not help.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import transaction

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


def dispatch(event: Event) -> Exception | None:
    """Run the event's handlers, each in a savepoint of its own; what the first that failed raised, None if none did.

    Raises the database's errors when the transaction itself is lost.
    """
    failure: Exception | None = None
    for handler in HANDLERS.get(event.type, ()):
        try:
            with transaction.atomic():
                handler(event)
        except Exception as error:  # a handler may fail in any way, and none of them may stop the others
            log.warning(
                "webhook.handler_failed",
                handler=getattr(handler, "__qualname__", type(handler).__name__),
                type=event.type,
            )
            failure = failure or error
    return failure


def settled_status(event_type: str) -> Event.Status:
    """What an event of this type is when all its handlers are through with it."""
    if HANDLERS.get(event_type):
        return Event.Status.DONE
    if event_type not in IGNORED:
        log.info("webhook.unknown_type", type=event_type)
    return Event.Status.IGNORED
