"""Deliveries of an app's modules: providers, workflow actions and triggers, external authentication and billing.

HighLevel sends them without the envelope of an event (FACTS 6 and 13 to 15). Their `type`, if there is one, says
something else: that of a provider's message is its channel, such as `SMS`. At the URL of a module (room `modules`) the
URL says what they are; at `/webhooks/`, where they have to be signed, their shape does: a `webhookId` proves nothing,
because a provider's message may have one, too (FACTS-2 4). They are stored under types of their own, for which handlers
and jobs are registered like for any event.

The type of a delivery to the URL of a module also has the module's name: `WorkflowAction/send-sms`. Handlers and jobs
of `WorkflowAction` get it too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.highlevel.catalogue.event_types import event_types

PROVIDER_MESSAGE = "ProviderOutboundMessage"  # the vendor's name of the page that describes it
WORKFLOW_ACTION = "WorkflowAction"
WORKFLOW_TRIGGER = "WorkflowTrigger"
EXTERNAL_AUTH = "ExternalAuth"
EXTERNAL_BILLING = "ExternalBilling"  # a user who installs was sent to the billing URL of the app

# What stays undone without a handler.
UNDONE = {
    PROVIDER_MESSAGE: "customers' messages were not sent",
    WORKFLOW_ACTION: "actions of workflows did nothing",
    EXTERNAL_AUTH: "credentials of accounts were not checked",
    EXTERNAL_BILLING: "accounts that install could not pay",
}
TYPES = frozenset({*UNDONE, WORKFLOW_TRIGGER})  # `modules.triggers` keeps subscriptions

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
WITHHELD = "(withheld)"
# All that is stored of an external authentication; every other field may be a customer's credential.
_NO_CREDENTIALS = frozenset({"companyId", "locationId", "approveAllLocations", "excludedLocations", "appId"})


@dataclass(frozen=True, slots=True)
class Module:
    """A module of an app, as a URL names it: its kind (one of `TYPES`, or one that is only answered) and its name.

    The name is empty for a visit of the billing URL that only handlers of all names take.
    """

    kind: str
    name: str

    @property
    def event_type(self) -> str:
        """The type of its events."""
        return f"{self.kind}/{self.name}" if self.name else self.kind

    @property
    def is_signed(self) -> bool:
        """Whether HighLevel signs what comes to its URL. It signs for all apps with one key."""
        return self.kind == PROVIDER_MESSAGE


@dataclass(frozen=True, slots=True)
class ModuleDelivery:
    """A delivery's type, and the object that names its tenant as an event would."""

    type: str
    ids: Mapping[str, Any]

    @property
    def has_credentials(self) -> bool:
        """Whether its fields are those with which a customer signs in somewhere."""
        return kind_of(self.type) == EXTERNAL_AUTH


def kind_of(event_type: str) -> str:
    """The type without a module's name; that of an event as it is."""
    kind, _, _ = event_type.partition("/")
    return kind if kind in TYPES else event_type


def ids(event_type: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object of a stored event that names its tenant: the payload, but for deliveries of some modules."""
    kind, _, name = event_type.partition("/")
    return at(Module(kind, name), payload).ids if kind in TYPES else payload


def is_event(module: Module, payload: Mapping[str, Any]) -> bool:
    """Whether a body at a signed module's URL is an event: other developers get those too, and could post them here."""
    return module.is_signed and _is_event_type(payload.get("type"))


def at(module: Module, payload: Mapping[str, Any]) -> ModuleDelivery:
    """The delivery to a module's URL, whatever its shape: a developer may replace an action's body (FACTS 14)."""
    if module.kind == EXTERNAL_AUTH:
        return ModuleDelivery(module.event_type, _without_list(payload))
    if module.kind == EXTERNAL_BILLING:
        return ModuleDelivery(module.event_type, {})  # a browser names the accounts, and proves none
    extras = payload.get("extras")
    return ModuleDelivery(module.event_type, extras if isinstance(extras, dict) else payload)


def recognise(payload: Mapping[str, Any]) -> ModuleDelivery | None:
    """The delivery of a module; None for an event. Events have types of their own; a message's is its channel."""
    if {"messageId", "contactId", "locationId", "type"} <= payload.keys() and _is_outbound(payload):
        return ModuleDelivery(PROVIDER_MESSAGE, payload)
    if payload.get("type"):
        return None
    if {"clientId", "installType"} <= payload.keys():
        return ModuleDelivery(EXTERNAL_BILLING, {})
    extras = payload.get("extras")
    if isinstance(extras, dict) and "locationId" in extras:
        if isinstance(payload.get("triggerData"), dict):
            return ModuleDelivery(WORKFLOW_TRIGGER, extras)
        if isinstance(payload.get("meta"), dict) and "data" in payload:
            return ModuleDelivery(WORKFLOW_ACTION, extras)
    if "companyId" in payload and "fields" in payload and isinstance(payload.get("locationId"), list):
        return ModuleDelivery(EXTERNAL_AUTH, _without_list(payload))
    return None


def withheld(payload: Mapping[str, Any]) -> dict[str, Any]:
    """An external authentication as it is stored: the names of the customer's credentials, and none of their values."""
    return {name: value if name in _NO_CREDENTIALS else _without_values(value) for name, value in payload.items()}


def _without_values(value: Any) -> Any:
    return dict.fromkeys(value, WITHHELD) if isinstance(value, dict) else WITHHELD


def _is_outbound(payload: Mapping[str, Any]) -> bool:
    """Whether it says where a provider is to send something: a text, or attachments alone. Events about messages have a
    type of the catalogue, or a direction.
    """
    if "direction" in payload or _is_event_type(payload["type"]):
        return False
    return "phone" in payload or "emailTo" in payload


def _is_event_type(kind: object) -> bool:
    return isinstance(kind, str) and kind in event_types()


def _without_list(payload: Mapping[str, Any]) -> dict[str, Any]:
    """One account is the tenant; several, or all, are their company's."""
    given = payload.get("locationId")
    locations = given if isinstance(given, list) else [] if given is None else [given]
    one = {"locationId": locations[0]} if len(locations) == 1 else {}
    return {"companyId": payload.get("companyId"), **one}
