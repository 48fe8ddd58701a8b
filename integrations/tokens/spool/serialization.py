"""Serialization of a grant for the spool: one secret text and back."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.highlevel.oauth.grants import Grant

_SECRETS = ("access_token", "refresh_token")
_LEFT_OUT = ("rate", "received_at")  # fields of the call that returned the grant; settled already


def packed(grant: Grant) -> Secret:
    """The grant as JSON; a Secret, because it contains both tokens."""
    with sensitive():
        names = (field.name for field in fields(Grant) if field.name not in _LEFT_OUT)
        return Secret(json.dumps({name: _plain(getattr(grant, name)) for name in names}))


def unpacked(text: Secret) -> Grant:
    """The grant from `packed`'s text."""
    with sensitive():
        return _unpacked(json.loads(text.reveal()))


def _unpacked(values: dict[str, Any]) -> Grant:
    for name in _SECRETS:
        values[name] = None if values[name] is None else Secret(values[name])
    values["scopes"] = frozenset(values["scopes"])
    values["approved_locations"] = tuple(values["approved_locations"])
    return Grant(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return sorted(value) if isinstance(value, frozenset) else value
