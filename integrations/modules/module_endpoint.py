"""Takes one call of a module: proves who sent it, has it answered and stored, and says what to respond.

HighLevel signs deliveries to conversation providers. All other calls have to carry the app's key (`module_keys`). A
call is stored like a webhook (`webhooks.inbox`), with the same limits, and handlers and jobs get it. The response is
what a function of an own app answers (`modules.answers`); without one it says that the call is stored. Credentials of
an external authentication reach that function and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from integrations.core.errors import BadRequest, Retryable, Untrusted
from integrations.core.tenant import Tenant
from integrations.modules import module_keys
from integrations.modules.answers import ANSWERS, ModuleCall
from integrations.modules.module_kinds import ModuleKind
from integrations.tenants.models import App
from integrations.webhooks import endpoint, envelope, inbox, module_deliveries
from integrations.webhooks.endpoint import RequestBody
from integrations.webhooks.module_deliveries import Module

log = structlog.get_logger(__name__)
KEY_HEADER = f"HTTP_{module_keys.HEADER.upper().replace('-', '_')}"


@dataclass(frozen=True, slots=True)
class ModuleResponse:
    """The response to a call: `body` is its JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


def respond(
    kind: ModuleKind,
    app_name: str,
    name: str,
    environ: Mapping[str, Any],
    stream: RequestBody,
    query: Mapping[str, str],
) -> ModuleResponse:
    """Take one call. `environ` is Django's `request.META`. Raises only faults of ours.

    What a GET is about stands in its `query`, and that of a DELETE may, if it has no body (FACTS-2 5).
    """
    module = Module(kind.type, name)
    method = environ["REQUEST_METHOD"]
    try:
        raw = b"" if method == "GET" else endpoint.body(environ, stream)
        if not raw and method in ("GET", "DELETE"):
            raw = json.dumps(query).encode()
        if kind.is_signed:
            receipt = inbox.accept(app_name, raw, endpoint.signatures(environ), module)
            return _said(200, status=endpoint.outcome_of(receipt).value)
        app = module_keys.check(app_name, environ.get(KEY_HEADER, ""))
        return _answer(kind, module, app, raw)
    except Untrusted as error:
        refusal = endpoint.refused(error)
    except Retryable as error:
        refusal = endpoint.not_stored(error)
    except BadRequest as error:  # of a function that refuses what it was sent
        log.info("module.refused", module=module.event_type)
        return _said(422, error=error.code, message=str(error))
    return ModuleResponse(refusal.status, refusal.body, refusal.headers)


def _answer(kind: ModuleKind, module: Module, app: App, raw: bytes) -> ModuleResponse:
    answer = ANSWERS.get(module)
    if answer is None and kind.must_answer:
        log.warning("module.unanswered", module=module.event_type)
        words = f'no function answers it: @answers("{module.kind}", "{module.name}")'
        return _said(501, error="no_such_module", message=words)
    _, payload = envelope.parsed(raw or b"{}")
    said = None if answer is None else answer(_call(module, app, payload))
    if not kind.is_stored:
        return ModuleResponse(200, said, {})
    receipt = inbox.store(app.client_id, raw, module)
    if answer is None or said is None:
        return _said(200, status=endpoint.outcome_of(receipt).value)
    return ModuleResponse(200, said, {})


def _call(module: Module, app: App, payload: dict[str, Any]) -> ModuleCall:
    ids = module_deliveries.at(module, payload).ids
    location, company = ids.get("locationId"), ids.get("companyId")
    tenant = None
    if isinstance(location, str) and location:
        tenant = Tenant.location(location)
    elif isinstance(company, str) and company:
        tenant = Tenant.company(company)
    return ModuleCall(app, module.kind, module.name, tenant, payload)


def _said(code: int, /, **body: str) -> ModuleResponse:
    return ModuleResponse(code, body, {})
