"""A schema of typed views for BI tools: one view for each resource that has records.

Columns come from the catalogue, custom fields are columns by name. A value of another type than its column is NULL
there, and `payload` has it still; so is a sealed field, in both. Deleted records are not in the views. Views are
renewed in one transaction, so a reader sees the old ones or the new ones. They run with the rights of their owner: a
role that may read the schema needs no right on the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from django.db import connection, transaction
from psycopg import sql

from integrations.core.errors import BadRequest
from integrations.sync.models import Plan, Record
from integrations.sync.resources import RESOURCES
from integrations.sync.typed import described_fields
from integrations.sync.typed.custom_names import LISTS
from integrations.tenants.models import App

MOST_CUSTOM = 1_400  # PostgreSQL takes 1,600 columns
LONGEST_NAME = 63  # bytes of an identifier
MARK = "Typed views of synced records, written by `manage.py records views`."

_MOMENT = """
CREATE OR REPLACE FUNCTION {schema}.moment(value text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$
BEGIN
    RETURN CASE WHEN value ~ '^\\d{{4}}-\\d\\d-\\d\\d' THEN value::timestamptz END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$
"""
_CUSTOM = """
CREATE OR REPLACE FUNCTION {schema}.custom(payload jsonb, ids text[]) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT COALESCE(entry ->> 'value', entry ->> 'fieldValue', entry ->> 'fieldValueString',
        entry ->> 'fieldValueNumber', entry ->> 'fieldValueDate', entry ->> 'fieldValueArray')
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(payload -> 'customFields') = 'array'
        THEN payload -> 'customFields' ELSE '[]' END) AS entry
    WHERE entry ->> 'id' = ANY (ids) LIMIT 1
$$
"""
_OPEN = """(SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM jsonb_each(payload)
    WHERE jsonb_typeof(value) <> 'object' OR NOT value ? '~sealed') AS payload"""
_ALWAYS = ("app_id", "location_id", "id", "changed_at", "payload")
_KEYS = ("_id", "locationId", *LISTS)  # in columns of their own
_VIEW = """CREATE VIEW {}.{} AS
SELECT app_id, location_id, record_id AS id, updated_at AS changed_at, {}
FROM sync_record WHERE resource = {} AND deleted_at IS NULL"""
_OWNED = "SELECT TRUE, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"
_VIEWS = "SELECT viewname::text FROM pg_views WHERE schemaname = %s"
_TYPED = {
    "text": "CASE WHEN jsonb_typeof(payload -> {name}) = 'string' THEN payload ->> {name} END",
    "numeric": "CASE WHEN jsonb_typeof(payload -> {name}) = 'number' THEN (payload ->> {name})::numeric END",
    "boolean": "CASE WHEN jsonb_typeof(payload -> {name}) = 'boolean' THEN (payload ->> {name})::boolean END",
    "timestamptz": "CASE WHEN jsonb_typeof(payload -> {name}) = 'string' THEN {schema}.moment(payload ->> {name}) END",
    "jsonb": "CASE WHEN NOT COALESCE(payload -> {name} ? '~sealed', FALSE) THEN payload -> {name} END",
}


def renew(schema: str) -> list[str]:
    """Write the views of this schema anew; their names. The schema is made if it is missing, its grants stay.

    Raises BadRequest for a schema that these views did not make.
    """
    found = Plan.objects.order_by("resource").values_list("resource", flat=True).distinct()
    resources = [name for name in found if name in RESOURCES]
    custom = _custom_ids()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_OWNED, [schema])
        exists, mark = cursor.fetchone() or (False, None)
        if exists and mark != MARK:
            raise BadRequest(f"there is a schema {schema!r} that these views did not make: name another one")
        cursor.execute(_VIEWS, [schema])
        old = [name for (name,) in cursor.fetchall()]
        for statement in _statements(schema, old, resources, custom):
            cursor.execute(statement)
    return resources


def _custom_ids() -> dict[str, list[str]]:
    """The ids of the custom fields of each name, over all locations."""
    found: dict[str, list[str]] = {}
    rows = Record.objects.filter(
        resource="custom_fields", deleted_at=None, app__in=App.objects.all(), location_id__in=_locations()
    )
    for field, name in rows.order_by("pk").values_list("record_id", "payload__name"):
        if isinstance(name, str) and name:
            found.setdefault(name, []).append(field)
    return found


def _locations() -> list[str]:
    """Named, so that the records are found by the index of a plan."""
    return list(Plan.objects.filter(resource="custom_fields").values_list("location_id", flat=True).distinct())


def _statements(
    schema: str, old: Sequence[str], resources: Sequence[str], custom: Mapping[str, Sequence[str]]
) -> Iterator[sql.Composed]:
    place = sql.Identifier(schema)
    yield sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(place)
    yield sql.SQL("COMMENT ON SCHEMA {} IS {}").format(place, sql.Literal(MARK))
    for function in (_MOMENT, _CUSTOM):
        yield sql.SQL(function).format(schema=place)
    for name in old:
        yield sql.SQL("DROP VIEW {}.{}").format(place, sql.Identifier(name))
    for name in resources:
        shown = sql.SQL(", ").join(_columns(place, name, custom))
        yield sql.SQL(_VIEW).format(place, sql.Identifier(name), shown, sql.Literal(name))


def _columns(schema: sql.Identifier, resource: str, custom: Mapping[str, Sequence[str]]) -> Iterator[sql.Composed]:
    kinds = described_fields.of(RESOURCES[resource])
    taken = set(_ALWAYS)
    for field, kind in kinds.items():
        if field not in _ALWAYS and field not in _KEYS:
            typed = sql.SQL(_TYPED[described_fields.sql_type(field, kind)]).format(
                name=sql.Literal(field), schema=schema
            )
            yield sql.SQL("{} AS {}").format(typed, _named(field, taken))
    names = sorted(custom) if LISTS[0] in kinds else []
    for name in names[:MOST_CUSTOM]:
        found = sql.SQL("{}.custom(payload, {})").format(schema, sql.Literal(list(custom[name])))
        yield sql.SQL("{} AS {}").format(found, _named(name, taken))
    yield sql.SQL(_OPEN)  # type: ignore[misc]


def _named(name: str, taken: set[str]) -> sql.Identifier:
    """A column name that is not taken: cut to what PostgreSQL takes, numbered if it is the second of its kind."""
    for number in count(1):
        end = "" if number == 1 else f" ({number})"
        cut = name.replace("\0", "").encode()[: LONGEST_NAME - len(end)].decode(errors="ignore") + end
        if cut not in taken:
            taken.add(cut)
            return sql.Identifier(cut)
    raise AssertionError("count ends never")
