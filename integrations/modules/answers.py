"""Functions that answer calls of modules while HighLevel waits, and their registry.

::

    @answers("WorkflowAction", "look-up")
    def look_up(call: ModuleCall) -> dict[str, object]:
        return {"score": score_of(call.payload["extras"]["contactId"])}

A workflow gets what the function returns as variables. Options, fields and filters are what HighLevel shows in a form.
The URL that is returned for `ExternalBilling` is where the browser of the user who installs goes on to. An external
authentication is accepted when the function returns, and refused when it raises `errors.BadRequest`, whose
text HighLevel gets; its credentials are in `call.payload` and nowhere else.

HighLevel publishes no time-out, and a thread of the web waits with it: answer within seconds, from the database. What
takes longer is a job with `on="WorkflowAction/…"`. A call may come twice, so the function is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.core import own_apps
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.modules.module_kinds import BY_TYPE, KINDS
from integrations.tenants.models import App
from integrations.webhooks import handlers
from integrations.webhooks.models import Event
from integrations.webhooks.module_deliveries import NAME, Module


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call. `payload` is the JSON that HighLevel sent, or the query of a GET, and of a DELETE without a body.

    `tenant` is None where it names none.
    """

    app: App
    kind: str
    name: str
    tenant: Tenant | None
    payload: Mapping[str, Any] = field(repr=False)


Answer = Callable[[ModuleCall], Any]
ANSWERS: dict[Module, Answer] = {}


def answers(kind: str, name: str) -> Callable[[Answer], Answer]:
    """Decorator: the function's JSON is the answer to calls of this module.

    `kind` is the module's type, such as `WorkflowAction`; `name` the last part of its URL: a-z, 0-9, `-` and `_`.
    Raises BadRequest for another kind or name, a module that has a function already, a generator, an async function.
    """
    if kind not in BY_TYPE:
        raise BadRequest(f"{kind!r} is no kind of module; there are: {', '.join(sorted(BY_TYPE))}")
    if not NAME.fullmatch(name):
        raise BadRequest(f"{name!r} cannot be the name of a module: up to 40 of a-z, 0-9, - and _")

    def register(function: Answer) -> Answer:
        own_apps.check_runs_when_called(function, f"the answer {function.__qualname__}")
        known = ANSWERS.get(Module(kind, name))
        if known is not None and known.__code__ is not function.__code__:
            raise BadRequest(f"there are two answers for {kind}/{name}")
        ANSWERS[Module(kind, name)] = function
        if KINDS[BY_TYPE[kind]].is_stored:
            handlers.on(Module(kind, name).event_type, answered)
        return function

    return register


def answered(_event: Event) -> None:
    """Handler of events that a function answered when they came: there is nothing left to do."""
