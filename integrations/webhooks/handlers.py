"""Registry of webhook event handlers, and the list of event types that are ignored.

`HANDLERS` maps an event type to its handlers: this room registers those of INSTALL and UNINSTALL, the rooms above
register the others in their `AppConfig.ready()`. `IGNORED` lists the vendor's types that no room handles. A type in
neither is new: the event is stored, answered 200, marked as without a handler like the ignored ones, and logged.

A handler runs inside the transaction that marks its event. So it works on the database only and enqueues what needs the
network. Its effects and the mark are committed together or not at all. A handler that fails undoes its own effects
only, and later all handlers are called again with the event. So a handler must be idempotent (`manage.py replay` needs
that too) and compares timestamps before it overwrites. It raises Retryable to be called again later, Permanent when a
repetition could not help.
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
    """Register `handler` for every event of the type, after those registered before it. Call it at start-up."""
    registered = HANDLERS.get(event_type, ())
    if handler not in registered:
        HANDLERS[event_type] = (*registered, handler)


def dispatch(event: Event) -> Exception | None:
    """Run the event's handlers, each in its own savepoint. Returns the first error that a handler raised, or None.

    Raises the database's errors when the transaction itself is lost.
    """
    failure: Exception | None = None
    for handler in HANDLERS.get(event.type, ()):
        try:
            with transaction.atomic():
                handler(event)
        except Exception as error:  # a handler may fail in any way, and must not stop the others
            log.warning(
                "webhook.handler_failed",
                handler=getattr(handler, "__qualname__", type(handler).__name__),
                type=event.type,
            )
            failure = failure or error
    return failure


def settled_status(event_type: str) -> Event.Status:
    """The status of an event of this type after all its handlers succeeded."""
    if HANDLERS.get(event_type):
        return Event.Status.DONE
    if event_type not in IGNORED:
        log.info("webhook.unknown_type", type=event_type)
    return Event.Status.IGNORED
