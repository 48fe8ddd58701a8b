"""Samples of every event type in the catalogue: a payload with each documented field, of its kind.

They say what a payload looks like, and nothing of what the vendor would send for a real record: a test that needs a
value gives it.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Mapping
from typing import Any

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import event_types

_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 20  # as the vendor's ids have
_TEXTS = {"email": "ann@example.com", "phone": "+15550100", "name": "Ann Smith", "direction": "inbound"}
_OF_THE_ENVELOPE = frozenset({"type", "webhookId"})
_PLAIN: Mapping[str, Any] = {"number": 1, "integer": 1, "boolean": True, "any": None}


def new_id() -> str:
    """An id as the vendor makes them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def event(event_type: str, *, location: str, company: str, **fields: Any) -> dict[str, Any]:
    """A payload of this type in this location, with `fields` in it. Raises BadRequest for an unknown type.

    Fields of a record can be given as the vendor lists them, except `type`, which is the webhook's type.
    """
    if taken := sorted(_OF_THE_ENVELOPE & fields.keys()):
        raise BadRequest(f"{', '.join(taken)}: HighLevel sets this field of a webhook; a sample cannot change it")
    kinds = event_types.find(event_type).fields
    payload = _object(kinds, "")
    known = {"locationId": location, "companyId": company}
    payload |= {name: value for name, value in known.items() if name in kinds or name == "locationId"}
    envelope = {"type": event_type, "timestamp": _now(), "webhookId": str(uuid.uuid4())}
    return {**payload, **envelope, **fields}


def _object(kinds: Mapping[str, str], parent: str) -> dict[str, Any]:
    names = {path.removeprefix(parent): kind for path, kind in kinds.items() if path.startswith(parent)}
    return {
        name: _value(kinds, f"{parent}{name}", kind)
        for name, kind in names.items()
        if "." not in name and name and not name.endswith("[]")
    }


def _value(kinds: Mapping[str, str], path: str, kind: str) -> Any:
    kind = kind.rstrip("!")
    if kind.endswith("[]"):
        return [_value(kinds, f"{path}[]", kind.removesuffix("[]"))]
    if kind == "object":
        return _object(kinds, f"{path}.")
    if kind == "Date":
        return _now()
    return _PLAIN[kind] if kind in _PLAIN else _text(path.rpartition(".")[2])


def _text(name: str) -> str:
    if name in {"id", "_id"} or name.endswith("Id"):
        return new_id()
    if "date" in name.lower() or name.endswith(("At", "Time")):
        return _now()
    return _TEXTS.get(name, f"a {name}")


def _now() -> str:
    return clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
