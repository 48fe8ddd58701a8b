"""Registry of webhook event handlers, and the list of the vendor's event types.

`HANDLERS` maps an event type to its handlers: this room registers those of installations and locations, the rooms
above register the others in their `AppConfig.ready()`, and own apps in their `handlers.py` with `@on_event`.
`KNOWN_TYPES` has the types of the catalogue (`manage.py catalogue events`) and of modules, handled or not. An event
without a handler is stored, answered 200 and marked as ignored. A type in neither list is new, and is logged as
well.

**Contract.** A handler gets one `Event` and returns nothing. It runs inside the transaction that marks its event, which
up to `lease.BATCH` events of one mailbox share, in order. So it works on the database only and enqueues what needs the
network. Effects and marks are committed together or not at all; a worker that dies leaves neither.

A handler may be called again for an event, whether its effects were rolled back (a later event of the batch failed) or
committed (`manage.py replay`). So it is idempotent and compares timestamps before it overwrites.

It may raise. Retryable: it is called again later. Permanent or Untrusted: a repetition could not help. Anything else is
a bug and is retried too. After a failure the event is handled alone, each handler in a savepoint, so a handler that
fails undoes its own effects only.

A handler that writes may also be registered with a function for the events of a whole batch (`batch=`): it does the
same for all of them with one round trip to the database. It is called after the other handlers of the batch. When it
fails, the batch is handled again, event by event.

A batch keeps its row locks until all its events are handled. A handler that takes locks which other tenants need, such
as that of the audit trail, is registered with `own_transaction=True`: then its event shares its transaction with none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from django.db import transaction

from integrations.core import own_apps
from integrations.core.observing import log_scope, spans
from integrations.core.runs import current_run
from integrations.highlevel.catalogue import event_types
from integrations.installs import events as installs
from integrations.installs import location_events
from integrations.webhooks import module_deliveries
from integrations.webhooks.models import Event

log = structlog.get_logger(__name__)

Handler = Callable[[Event], None]
BatchHandler = Callable[[Sequence[Event]], None]

KNOWN_TYPES = frozenset(event_types.event_types()) | module_deliveries.TYPES


def _installed(event: Event) -> None:
    installs.installed(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _uninstalled(event: Event) -> None:
    if event.occurred_at == event.received_at:  # the vendor sent no timestamp (`envelope`)
        installs.uninstalled_undated(event.app, event.payload, received_at=event.received_at, event_id=event.webhook_id)
    else:
        installs.uninstalled(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _updated(event: Event) -> None:
    installs.updated(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _plan_changed(event: Event) -> None:
    installs.plan_changed(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _external_auth_connected(event: Event) -> None:
    installs.external_auth_connected(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _payment_status(event: Event) -> None:
    installs.payment_status(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


def _location_changed(event: Event) -> None:
    location_events.changed(event.app, event.payload, at=event.occurred_at, event_id=event.webhook_id)


HANDLERS: dict[str, tuple[Handler, ...]] = {
    "INSTALL": (_installed,),
    "UNINSTALL": (_uninstalled,),
    "UPDATE": (_updated,),
    "PLAN_CHANGE": (_plan_changed,),
    "EXTERNAL_AUTH_CONNECTED": (_external_auth_connected,),
    "APP_PAYMENT_STATUS": (_payment_status,),
    "LocationCreate": (_location_changed,),
    "LocationUpdate": (_location_changed,),
}
OWN_TRANSACTION = set(HANDLERS)  # those above write to the audit trail, which one transaction at a time may do
DECORATED: dict[str, list[Handler]] = {}  # the handlers of own apps, for the system check
BATCHES: dict[Handler, BatchHandler] = {}  # the handlers that take a whole batch at once


def on(event_type: str, handler: Handler, *, batch: BatchHandler | None = None, own_transaction: bool = False) -> None:
    """Register `handler` for every event of the type, after those registered before it. Call it at start-up.

    `batch` does the same for several events, given in the order of the mailbox.
    """
    known = HANDLERS.get(event_type, ())
    if handler not in known:
        HANDLERS[event_type] = (*known, handler)
    if batch is not None:
        BATCHES[handler] = batch
    if own_transaction:
        OWN_TRANSACTION.add(event_type)


def registered(event_type: str) -> tuple[Handler, ...]:
    """The handlers of events of the type; for a module's with its name, also those of all modules of its kind."""
    kind = module_deliveries.kind_of(event_type)
    own = HANDLERS.get(event_type, ())
    return own if kind == event_type else tuple(dict.fromkeys((*own, *HANDLERS.get(kind, ()))))


def is_known(event_type: str) -> bool:
    """Whether it is a type of the catalogue or of a module."""
    return module_deliveries.kind_of(event_type) in KNOWN_TYPES


def needs_own_transaction(event_type: str) -> bool:
    """Whether an event of the type shares its transaction with no other."""
    return not OWN_TRANSACTION.isdisjoint((event_type, module_deliveries.kind_of(event_type)))


def on_event(*event_types: str, own_transaction: bool = False) -> Callable[[Handler], Handler]:
    """Decorator: call the function for every event of these types, by the contract of a handler.

    It works on the database only and is safe to call twice. Events come late, out of order and by replay: it compares
    dates before it overwrites. It runs in the transaction of its event, which other events share unless
    `own_transaction`. What needs the network is a background job: `@background_job(..., on="<type>")`.
    Raises BadRequest for a generator or an async function.
    """

    def register(handler: Handler) -> Handler:
        own_apps.check_runs_when_called(handler, f"the handler {handler.__qualname__} of events")
        for event_type in event_types:
            on(event_type, handler, own_transaction=own_transaction)
            DECORATED.setdefault(event_type, []).append(handler)
        return handler

    return register


def run(event: Event, later: dict[BatchHandler, list[Event]] | None = None) -> None:
    """Run the event's handlers in the caller's transaction. Raises whatever a handler raises.

    With `later`, the event is put there for those of its handlers that take a whole batch.
    """
    with _scope(event):
        for handler in registered(event.type):
            batch = BATCHES.get(handler)
            if later is None or batch is None:
                handler(event)
            else:
                later.setdefault(batch, []).append(event)


def run_each(event: Event) -> Exception | None:
    """Run the event's handlers, each in its own savepoint. Returns the first error that a handler raised, or None.

    Raises the database's errors when the transaction itself is lost.
    """
    with _scope(event):
        return _run_each(event)


@contextmanager
def _scope(event: Event) -> Iterator[None]:
    with (
        current_run.working_for(current_run.name_of(event)),
        log_scope.scope(webhook_id=event.webhook_id),
        spans.span(f"event {event.type}", "consumer", [event.trace_parent], webhook_id=event.webhook_id),
    ):
        yield


def _run_each(event: Event) -> Exception | None:
    failure: Exception | None = None
    for handler in registered(event.type):
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
    if registered(event_type):
        return Event.Status.DONE
    if not is_known(event_type):
        log.info("webhook.unknown_type", type=event_type)
    return Event.Status.IGNORED
