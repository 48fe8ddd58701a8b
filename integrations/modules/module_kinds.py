"""The kinds of modules that HighLevel calls, with the part of the URL that names each (FACTS 6)."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.webhooks.module_deliveries import (
    EXTERNAL_AUTH,
    EXTERNAL_BILLING,
    PROVIDER_MESSAGE,
    WORKFLOW_ACTION,
    WORKFLOW_TRIGGER,
)

WORKFLOW_OPTIONS = "WorkflowOptions"
WORKFLOW_FIELDS = "WorkflowFields"
TRIGGER_FILTERS = "TriggerFilters"


@dataclass(frozen=True, slots=True)
class ModuleKind:
    """A kind of module. `type` begins the type of its events; `enter_at` is the field of the developer portal.

    `is_signed`: HighLevel signs it, so it needs no key. `is_stored`: it becomes an event. `must_answer`: without a
    function that answers (`modules.answers`) a call is refused, because 200 alone would be a wrong answer. `is_page`:
    browsers of users open it (`modules.billing_page`), so it has no key either.
    """

    type: str
    enter_at: str
    is_signed: bool = False
    is_stored: bool = True
    must_answer: bool = False
    methods: tuple[str, ...] = ("POST", "PUT", "PATCH")
    is_page: bool = False

    @property
    def needs_key(self) -> bool:
        """Whether the app's key goes with a call."""
        return not self.is_signed and not self.is_page


KINDS: dict[str, ModuleKind] = {
    "provider": ModuleKind(PROVIDER_MESSAGE, "delivery URL of a conversation provider", is_signed=True),
    "action": ModuleKind(
        WORKFLOW_ACTION, "action URL of a workflow action", methods=("POST", "PUT", "PATCH", "GET", "DELETE")
    ),
    "trigger": ModuleKind(WORKFLOW_TRIGGER, "subscription URL of a workflow trigger"),
    "auth": ModuleKind(EXTERNAL_AUTH, "verification URL of an external authentication", must_answer=True),
    "billing": ModuleKind(EXTERNAL_BILLING, "billing URL of external billing", methods=("GET",), is_page=True),
    "options": ModuleKind(
        WORKFLOW_OPTIONS, "options URL of a field", is_stored=False, must_answer=True, methods=("GET", "POST")
    ),
    "fields": ModuleKind(WORKFLOW_FIELDS, "dynamic fields URL of an action", is_stored=False, must_answer=True),
    "filters": ModuleKind(TRIGGER_FILTERS, "dynamic filters URL of a trigger", is_stored=False, must_answer=True),
}
BY_TYPE = {kind.type: segment for segment, kind in KINDS.items()}
