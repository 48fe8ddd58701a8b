"""Search of synced contacts by e-mail address, telephone number, name or last name, through partial expression indexes.

Who sees personal data only masked finds a contact by the whole address or number, which they know then. By its
beginning they would learn the rest: a prefix that finds the contact is one letter of its address, and the next search
tells the next letter.

The indexes are in `sync.resources.searchable`; their entries are cut, so that no text is too long for one. A prefix is
compared by the operators of `text_pattern_ops`, whose index does not depend on the database's collation. Fields that
`SEALED_FIELDS` names are encrypted in the copy and are not found.
"""

from __future__ import annotations

import re

from django.db import connection

from integrations.sync.models import Record
from integrations.sync.resources.searchable import LONGEST

_SHORTEST = 3  # characters: a shorter prefix matches too much to be of use
_SHORTEST_NUMBER = 7  # characters of a whole number
_NATIONAL = 10  # digits of a number of North America without its country
_NUMBER = re.compile(r"[+(]?[0-9][0-9 ().-]*")
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
    "last_name": "left(lower(payload ->> 'lastName'), 200)",
}


def find(text: str, limit: int, *, whole: bool = False) -> list[Record]:
    """Contacts whose address, number, name or last name begins with `text`, in any case. At most `limit`.

    With `whole` those whose address or number is `text`.
    """
    wanted = " ".join(text.lower().split())[:LONGEST]
    if len(wanted) < _SHORTEST:
        return []
    ids: dict[int, None] = {}
    for name, begin in _wanted(wanted):
        if len(ids) < limit and not (whole and not _is_whole(name, begin)):
            ids |= dict.fromkeys(_ids(name, begin, limit, whole=whole))
    return list(Record.objects.filter(pk__in=list(ids)[:limit]).select_related("app"))


def _ids(name: str, begin: str, limit: int, *, whole: bool) -> list[int]:
    values: dict[str, str | int] = {"from": begin, "to": begin + _AFTER, "limit": limit}
    statement = _FOUND_WHOLE if whole else _FOUND
    with connection.cursor() as cursor:
        cursor.execute(statement.format(expression=_EXPRESSIONS[name]), values)
        return [pk for (pk,) in cursor.fetchall()]


def _is_whole(name: str, wanted: str) -> bool:
    """Whether it may be a whole address or number. Names are too easily guessed, and the search would confirm them."""
    return name == "email" or (name == "phone" and len(wanted) >= _SHORTEST_NUMBER)


def _wanted(wanted: str) -> list[tuple[str, str]]:
    """The expressions to look in, each with the text to look for."""
    if "@" in wanted:
        return [("email", wanted)]
    if not _NUMBER.fullmatch(wanted):
        return [("name", wanted), ("last_name", wanted)]
    return [("phone", number) for number in dict.fromkeys((wanted, *_international(wanted)))]


def _international(wanted: str) -> list[str]:
    """A number that a person wrote, as HighLevel stores it: E.164. One without a country may be of North America."""
    digits = "".join(one for one in wanted if one.isdecimal())
    is_national = len(digits) == _NATIONAL and wanted[0] != "+"
    return ["+" + digits, *(["+1" + digits] if is_national else [])] if digits else []
