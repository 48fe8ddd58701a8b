"""Parser of a webhook's body: app, tenant, event type, time and webhook id. It uses no database and trusts nothing.

The envelope is flat (FACTS 3.3): `type`, ids and the resource's own fields are on one level. Ids and the type route the
event and are checked. A delivery of a module has no envelope, and is told by its URL or shape (`module_deliveries`).
Everything else is the vendor's and is stored as received, with two exceptions. Credentials that a customer entered for
an external authentication are withheld. Text that PostgreSQL cannot store (NUL, lone surrogates) becomes U+FFFD: a
visitor of a tenant's web site could enter it in a form, and refusing the event for it would let that visitor push the
URL's success rate below the vendor's circuit breaker.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isinf
from typing import Any

from integrations.core.errors import PayloadAnomalous
from integrations.core.tenant import Tenant
from integrations.core.texts import TooDeep, storable_json
from integrations.webhooks import module_deliveries
from integrations.webhooks.module_deliveries import Module

DEEPEST = 64  # nested levels; real events have up to five
# Zeros that the exponents of a body may stand for. PostgreSQL writes them out: of 8 characters it makes 16,000.
MOST_ZEROS = 1_000_000
FUTURE = timedelta(hours=1)  # a timestamp further ahead than this is no clock skew
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)  # older than the vendor

_ID = re.compile(r"[!-~]{1,64}")
_WEBHOOK_ID = re.compile(r"[!-~]{1,100}")
_TYPE = re.compile(r"[ -~]{1,80}")
# How such a character appears in UTF-8 JSON, where it can only be escaped. Text without one is stored as received,
# which saves walking through it and encoding it again.
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed event. `app_id` is empty when the vendor names none, and where an app's key opened the URL.

    `tenant` is the key of its mailbox, and `text` the JSON to be stored. `unnamed`: the vendor sent no webhook id.
    """

    webhook_id: str
    type: str
    app_id: str
    tenant: str
    occurred_at: datetime
    text: str
    unnamed: bool = False


def read(raw: bytes, received_at: datetime, module: Module | None = None) -> Envelope:
    """Parse the verified bytes; `module` is the one whose URL they were sent to.

    Raises PayloadAnomalous, saying what is wrong, for anything but one flat JSON object.
    """
    text, payload = parsed(raw)
    if module and module_deliveries.is_event(module, payload):
        module = None
    webhook_id = _text(payload, "webhookId", _WEBHOOK_ID)
    delivery = module_deliveries.at(module, payload) if module else module_deliveries.recognise(payload)
    if delivery and delivery.has_credentials:
        text = json.dumps(module_deliveries.withheld(payload), ensure_ascii=False)
        raw = text.encode()
    if module:
        raw = f"{module.event_type}\n".encode() + raw  # what two modules get is two events
    return Envelope(
        webhook_id=webhook_id or _made_up_id(raw, received_at),
        unnamed=not webhook_id,
        type=delivery.type if delivery else _text(payload, "type", _TYPE),
        app_id="" if module and not module.is_signed else _text(payload, "appId", _ID),
        tenant=_tenant(delivery.ids if delivery else payload),
        occurred_at=_moment(payload.get("timestamp"), received_at),
        text=text,
    )


def _made_up_id(raw: bytes, received_at: datetime) -> str:
    """An id from the bytes and the day: some documented samples carry no id (FACTS 3.4).

    The bytes distinguish a retry from another event. The day distinguishes one UNINSTALL of a tenant from the next,
    which has the same bytes; a retry past midnight is handled twice. `events_without_id`
    replaces those of installations.
    """
    return f"sha256:{hashlib.sha256(raw).hexdigest()}:{received_at:%Y%m%d}"


def parsed(raw: bytes) -> tuple[str, dict[str, Any]]:
    """The JSON to be stored, and its parsed object. Raises PayloadAnomalous."""
    try:
        text = raw.decode()
        payload = json.loads(text, parse_constant=_refuse_constant, parse_float=_numbers())
    except (ValueError, RecursionError) as error:
        raise PayloadAnomalous("the webhook is not JSON", reason=type(error).__name__) from None
    if not isinstance(payload, dict):
        raise PayloadAnomalous("the webhook is not a JSON object", found=type(payload).__name__)
    if not _ESCAPED.search(text) and text.count("{") + text.count("[") <= DEEPEST:
        return text, payload
    try:
        kept: dict[str, Any] = storable_json(payload, deepest=DEEPEST)
    except TooDeep:
        raise PayloadAnomalous(f"the webhook is nested more than {DEEPEST} levels deep") from None
    return json.dumps(kept, ensure_ascii=False), kept


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _numbers() -> Callable[[str], float]:
    """Parser of one body's numbers with a point or an exponent. Raises ValueError for what no column can take."""
    zeros = 0

    def number(text: str) -> float:
        nonlocal zeros
        found = float(text)
        zeros += abs(int(text.lower().partition("e")[2] or 0))
        if isinf(found) or zeros > MOST_ZEROS:
            raise ValueError("numbers beyond all bounds")
        return found

    return number


def _text(payload: Mapping[str, Any], key: str, shape: re.Pattern[str]) -> str:
    """The field's text, "" when missing. A routing field must be short printable ASCII, else it is refused."""
    value = payload.get(key)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise PayloadAnomalous(f"the webhook's {key} is not what it should be", field=key)
    return value


def _tenant(payload: Mapping[str, Any]) -> str:
    """The tenant. Invoices, products and prices name their location as `altId` with `altType` (FACTS 3.5)."""
    location = _text(payload, "locationId", _ID)
    if not location and payload.get("altType") == "location":
        location = _text(payload, "altId", _ID)
    if location:
        return Tenant.location(location).mailbox_key
    company = _text(payload, "companyId", _ID)
    return Tenant.company(company).mailbox_key if company else "app"


def _moment(value: Any, received_at: datetime) -> datetime:
    """The vendor's timestamp, or the time of receipt when it is missing or absurd.

    There is no lower limit near the present: genuine retries carry the first attempt's timestamp for days.
    """
    moment = _parsed(value)
    if moment is None or not EARLIEST <= moment <= received_at + FUTURE:
        return received_at
    return moment


def _parsed(value: Any) -> datetime | None:
    """ISO 8601 (UTC unless it says otherwise), or epoch seconds or milliseconds."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
