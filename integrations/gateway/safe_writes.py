"""Which writes may be sent twice: their second time has no effect that the first did not have.

Reads change nothing. PUT and DELETE on a path that names the object (`/contacts/{contactId}`) set one state or remove
one thing (RFC 9110, 9.2.2). Of the other writes only those in `SAFE` are known to end in the same state: the vendor's
upserts find the object that the first time made, and tags and followers are sets. All else may send a message, charge
a card or make a second object, and the vendor has no idempotency key (FACTS 7).
"""

from __future__ import annotations

from integrations.gateway.target import Target

_IDEMPOTENT = frozenset({"PUT", "DELETE"})
SAFE = frozenset(
    {
        ("POST", "/contacts/upsert"),
        ("POST", "/opportunities/upsert"),
        ("POST", "/contacts/{contactId}/tags"),
        ("POST", "/contacts/{contactId}/followers"),
        ("POST", "/opportunities/{id}/followers"),
    }
)


def may_repeat(target: Target) -> bool:
    """Whether a call that may have taken effect can be sent again without harm."""
    operation = target.operation
    if target.reads or (operation.method in _IDEMPOTENT and any(one.part == "path" for one in operation.params)):
        return True
    return target.listed and (operation.method, operation.path) in SAFE
