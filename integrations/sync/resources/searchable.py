"""What records can be searched by, and the index of each search (`sync.typed.record_selection` has the queries).

An index is on an expression over the payload, because that takes no second copy of the value. Every expression is cut
to a length: an index entry has at most 2,704 bytes, and a person who fills in a form can make any text longer. A search
compares with a text that is cut the same way, so longer texts that begin alike are found together.

Indexes are partial: a record without the field, or a deleted one, has no entry. A full run that finds nothing new
changes no indexed column, so PostgreSQL updates the row without any index (a HOT update).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db.models import BigIntegerField, F, Func, Index, OrderBy, Q, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Collate, Left, Lower
from django.db.models.lookups import Exact, In, IsNull

LONGEST = 200  # characters, at most 800 bytes
# Fields that name the parent of a child which is visited by its parent's change (`sync.visits`), besides `contactId`.
PARENTS = ("orderId", "appointmentId", "firstRecordId")

# Texts in the vendor's form: ISO 8601 in UTC, or milliseconds of the epoch. Those of one resource sort by time.
ADDED = Collate(Left(Coalesce(KT("payload__dateAdded"), KT("payload__createdAt")), LONGEST), "C")
EMAIL = Left(Lower(KT("payload__email")), LONGEST)
PHONE = Left(KT("payload__phone"), LONGEST)
CONTACT = Left(KT("payload__contactId"), LONGEST)
PARENT = Left(Coalesce(*(KT(f"payload__{name}") for name in PARENTS)), LONGEST)


class TransactionId(Func):
    """The id of the present transaction, as a number: a change is marked with it for the change feed (`sync.feed`)."""

    template = "pg_current_xact_id()::text::bigint"
    output_field = BigIntegerField()
    arity = 0


class TagKeys(Func):
    """The record's tags, each after its location: a tag of a thousand locations is found in one of them at once."""

    function = "sync_tag_keys"
    output_field = ArrayField(TextField())

    def __init__(self) -> None:
        super().__init__(F("location_id"), F("payload"))


TAG_KEYS = """
CREATE OR REPLACE FUNCTION sync_tag_keys(location_id text, payload jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.array_agg(location_id || ' ' || pg_catalog.left(tag, 200))
    FROM pg_catalog.jsonb_array_elements_text(
        CASE pg_catalog.jsonb_typeof(payload -> 'tags') WHEN 'array' THEN payload -> 'tags' ELSE '[]' END) AS tag
$$
"""
# PostgreSQL does not use the statistics of a partial index: without these it takes an address for a frequent one.
STATISTICS = """
CREATE STATISTICS IF NOT EXISTS sync_record_email ON (left(lower(payload ->> 'email'), 200)) FROM sync_record;
CREATE STATISTICS IF NOT EXISTS sync_record_phone ON (left(payload ->> 'phone', 200)) FROM sync_record;
CREATE STATISTICS IF NOT EXISTS sync_record_contact ON (left(payload ->> 'contactId', 200)) FROM sync_record;
CREATE STATISTICS IF NOT EXISTS sync_record_parent ON (left(coalesce(
    payload ->> 'orderId', payload ->> 'appointmentId', payload ->> 'firstRecordId'), 200)) FROM sync_record;
CREATE STATISTICS IF NOT EXISTS sync_record_tags ON (sync_tag_keys(location_id, payload)) FROM sync_record;
ANALYZE sync_record
"""
NO_STATISTICS = "DROP STATISTICS " + ", ".join(
    f"sync_record_{name}" for name in ("email", "phone", "contact", "parent", "tags")
)

# Indexes by e-mail address, telephone number and name. They are SQL, because Django's need another app for the operator
# class, which finds the beginning of a text too (`console.search.contact_search`).
LOOKUPS = {
    "record_by_email": """(left(lower(payload ->> 'email'), 200) text_pattern_ops, location_id)
        WHERE left(lower(payload ->> 'email'), 200) IS NOT NULL AND deleted_at IS NULL""",
    "record_by_phone": """(left(payload ->> 'phone', 200) text_pattern_ops, location_id)
        WHERE left(payload ->> 'phone', 200) IS NOT NULL AND deleted_at IS NULL""",
    "record_by_name": """(left(lower(coalesce(payload ->> 'firstName', '') || ' '
        || coalesce(payload ->> 'lastName', '')), 200) text_pattern_ops)
        WHERE resource = 'contacts' AND deleted_at IS NULL""",
}
# The same by last name alone, added later.
LAST_NAME = """record_by_last_name ON sync_record (left(lower(payload ->> 'lastName'), 200) text_pattern_ops)
    WHERE resource = 'contacts' AND left(lower(payload ->> 'lastName'), 200) IS NOT NULL AND deleted_at IS NULL"""

NEWEST_FIRST = (OrderBy(ADDED, descending=True, nulls_last=True), OrderBy(F("id"), descending=True))


def _having(expression: Func) -> Q:
    """The records that a search by the expression can find. PostgreSQL infers it from the comparison itself."""
    return Q(IsNull(expression, rhs=False), deleted_at=None)


INDEXES = [
    Index("app", "location_id", "resource", *NEWEST_FIRST, name="record_newest", condition=Q(deleted_at=None)),
    Index(fields=["app", "location_id", "resource", "updated_at", "id"], name="record_changed"),
    Index(fields=["app", "resource", "changed_in", "id"], name="record_feed"),
    Index(CONTACT, "resource", name="record_by_contact", condition=_having(CONTACT)),
    Index(PARENT, "resource", name="record_by_parent", condition=_having(PARENT)),
    GinIndex(TagKeys(), name="record_by_tag", condition=_having(TagKeys())),
]


def has(expression: Func, *texts: str) -> Q:
    """The records whose expression is one of these texts."""
    cut = [Value(text[:LONGEST]) for text in texts]
    return Q(Exact(expression, cut[0])) if len(cut) == 1 else Q(In(expression, cut))


def below(named: str, parents: Sequence[str]) -> Q:
    """The children of these parents, whose ids the children have under `named`. Only some names have an index."""
    if named == "contactId":
        return has(CONTACT, *parents)
    if named in PARENTS:
        return has(PARENT, *parents)
    return Q(**{f"payload__{named}__in": list(parents)})


def tag_key(location_id: str, tag: str) -> str:
    """A tag as `TagKeys` has it."""
    return f"{location_id} {tag[:LONGEST]}"
