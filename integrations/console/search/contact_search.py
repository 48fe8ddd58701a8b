"""Search of synced contacts by e-mail address, telephone number or name, through partial expression indexes.

The indexes are in `sync.resources.searchable`; their entries are cut, so that no text is too long for one. A prefix is
compared by the operators of `text_pattern_ops`, whose index does not depend on the database's collation. Fields that
`SEALED_FIELDS` names are encrypted in the copy and are not found.
"""

from __future__ import annotations

from django.db import connection

from integrations.sync.models import Record
from integrations.sync.resources.searchable import LONGEST

_SHORTEST = 3  # characters: a shorter prefix matches too much to be of use
_AFTER = "\U0010ffff"  # sorts after whatever continues a prefix
_FOUND = """
SELECT id FROM sync_record WHERE resource = 'contacts' AND deleted_at IS NULL AND {expression} ~>=~ %(from)s
  AND {expression} ~<~ %(to)s LIMIT %(limit)s
"""
_EXPRESSIONS = {
    "email": "left(lower(payload ->> 'email'), 200)",
    "phone": "left(payload ->> 'phone', 200)",
    "name": "left(lower(coalesce(payload ->> 'firstName', '') || ' ' || coalesce(payload ->> 'lastName', '')), 200)",
}


def find(text: str, limit: int) -> list[Record]:
    """Contacts whose address, number or name begins with `text`, in any case. At most `limit`."""
    wanted = " ".join(text.lower().split())[:LONGEST]
    if len(wanted) < _SHORTEST:
        return []
    expression = _EXPRESSIONS[_kind(wanted)]
    values: dict[str, str | int] = {"from": wanted, "to": wanted + _AFTER, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_FOUND.format(expression=expression), values)
        ids = [pk for (pk,) in cursor.fetchall()]
    return list(Record.objects.filter(pk__in=ids).select_related("app"))


def _kind(wanted: str) -> str:
    if "@" in wanted:
        return "email"
    return "phone" if wanted[0] == "+" or wanted.replace(" ", "").isdecimal() else "name"
