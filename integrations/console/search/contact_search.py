"""Search of synced contacts by e-mail address, telephone number or name, through partial expression indexes.

Who sees personal data only masked finds a contact by the whole address or number, which they know then. By its
beginning they would learn the rest: a prefix that finds the contact is one letter of its address, and the next search
tells the next letter.

The indexes are in `sync.resources.searchable`; their entries are cut, so that no text is too long for one. A prefix is
compared by the operators of `text_pattern_ops`, whose index does not depend on the database's collation. Fields that
`SEALED_FIELDS` names are encrypted in the copy and are not found.
"""

from __future__ import annotations

from django.db import connection

from integrations.sync.models import Record
from integrations.sync.resources.searchable import LONGEST

_SHORTEST = 3  # characters: a shorter prefix matches too much to be of use
_SHORTEST_NUMBER = 7  # characters of a whole number
_AFTER = "\U0010ffff"  # sorts after whatever continues a prefix
_FOUND = """
SELECT id FROM sync_record WHERE resource = 'contacts' AND deleted_at IS NULL AND {expression} ~>=~ %(from)s
  AND {expression} ~<~ %(to)s LIMIT %(limit)s
"""
_FOUND_WHOLE = """
SELECT id FROM sync_record WHERE resource = 'contacts' AND deleted_at IS NULL AND {expression} = %(from)s
  LIMIT %(limit)s
"""
_EXPRESSIONS = {
    "email": "left(lower(payload ->> 'email'), 200)",
    "phone": "left(payload ->> 'phone', 200)",
    "name": "left(lower(coalesce(payload ->> 'firstName', '') || ' ' || coalesce(payload ->> 'lastName', '')), 200)",
}


def find(text: str, limit: int, *, whole: bool = False) -> list[Record]:
    """Contacts whose address, number or name begins with `text`, in any case. At most `limit`.

    With `whole` those whose address or number is `text`.
    """
    wanted = " ".join(text.lower().split())[:LONGEST]
    kind = _kind(wanted)
    if len(wanted) < _SHORTEST or (whole and not _is_whole(kind, wanted)):
        return []
    values: dict[str, str | int] = {"from": wanted, "to": wanted + _AFTER, "limit": limit}
    statement = _FOUND_WHOLE if whole else _FOUND
    with connection.cursor() as cursor:
        cursor.execute(statement.format(expression=_EXPRESSIONS[kind]), values)
        ids = [pk for (pk,) in cursor.fetchall()]
    return list(Record.objects.filter(pk__in=ids).select_related("app"))


def _is_whole(kind: str, wanted: str) -> bool:
    """Whether it may be a whole address or number. Names are too easily guessed, and the search would confirm them."""
    return kind == "email" or (kind == "phone" and len(wanted) >= _SHORTEST_NUMBER)


def _kind(wanted: str) -> str:
    if "@" in wanted:
        return "email"
    return "phone" if wanted[0] == "+" or wanted.replace(" ", "").isdecimal() else "name"
