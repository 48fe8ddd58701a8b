"""Takes visits of the billing URL: users who install an app that bills by itself, sent there by HighLevel (FACTS 6).

A browser brings the four documented parameters and no proof, so a visit is stored as an event of the app and in no
mailbox of the accounts that it names, and says nothing but what is documented. One to a page that no code names, or
beyond the rows of a minute, is not stored: strangers make names up, and must not close the page. The function of
the own app gets the same parameters, and returns the URL of the page where the user pays (`modules.answers`).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping

import structlog

from integrations.core.errors import BadRequest, TooManyRequests
from integrations.modules.answers import ANSWERS, ModuleCall
from integrations.quota.request_limits import RequestLimit
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.webhooks import handlers, inbox
from integrations.webhooks.module_deliveries import EXTERNAL_BILLING, Module

VISITS = RequestLimit("billing", 30)  # per address
STORED = RequestLimit("billings", 60)  # rows of all addresses together
PARAMETERS = ("clientId", "installType", "companyId", "locationId")
LONGEST = 4_000  # characters of a parameter: a bulk install names its locations in one

log = structlog.get_logger(__name__)


def visit(app_name: str, name: str, query: Mapping[str, str], address: str) -> str | None:
    """Take one visit. Returns the URL to go on to; None when no function gave one.

    Raises TooManyRequests; BadRequest for an unknown app, for another client id than the app's, which HighLevel sends
    for validation, and for a parameter that is too long; what the function raises; and StoreUnavailable.
    """
    VISITS.count(address)
    app = marketplace.find(app_name)
    given = {key: query[key] for key in PARAMETERS if query.get(key)}
    if not hmac.compare_digest(given.get("clientId", "").encode(), app.client_id.encode()):
        raise BadRequest("this billing page belongs to another app: clientId is not its own")
    if max(map(len, given.values())) > LONGEST:
        raise BadRequest(f"a parameter of a billing page has {LONGEST:,} characters at most")
    module = Module(EXTERNAL_BILLING, name)
    answer = ANSWERS.get(module)
    if stored := _stored_as(module):
        _store(app, stored, given)
    if answer is None:
        log.warning("module.unanswered", module=module.event_type)
        return None
    to = answer(ModuleCall(app, module.kind, name, None, given))
    return to if isinstance(to, str) and to else None


def _stored_as(module: Module) -> Module | None:
    """The module whose event a visit becomes: without its name where handlers take any; None without handlers."""
    if handlers.HANDLERS.get(module.event_type):
        return module
    return Module(module.kind, "") if handlers.HANDLERS.get(module.kind) else None


def _store(app: App, module: Module, given: Mapping[str, str]) -> None:
    try:
        STORED.count()
    except TooManyRequests:
        log.warning("module.visit_not_stored", module=module.event_type)
        return
    inbox.store(app.client_id, json.dumps(given).encode(), module)
