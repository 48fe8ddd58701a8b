"""Custom objects with their fields and records, associations and relations.

The standard objects (contacts, opportunities, businesses) are in the same listing; they have resources of their own. A
record's webhook has its properties as a list and says no object, so it makes the next run come soon.

A relation belongs to two records. It is listed below those of custom objects, and only missing below its first one.
"""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single

CUSTOM_OBJECTS = Resource(
    name="custom_objects",
    operation="objects.get-object-by-location-id",
    whole="objects",
    creates=frozenset({"ObjectSchemaCreate"}),
    updates=frozenset({"ObjectSchemaUpdate"}),
    renames={"objectType": "type"},
)
CUSTOM_OBJECT_FIELDS = Resource(
    name="custom_object_fields",
    operation="custom-fields.get-custom-fields-by-object-key",
    whole="fields",
    below=Parent(CUSTOM_OBJECTS, "objectKey", field="key", unless="standard"),
    single=Single("custom-fields.get-custom-field-by-id", "id", "field"),
)
CUSTOM_RECORDS = Resource(
    name="custom_records",
    operation="objects.search-object-records",
    every=SOMETIMES,
    body={"query": ""},
    below=Parent(CUSTOM_OBJECTS, "schemaKey", field="key", named="objectKey", unless="standard"),
    single=Single("objects.get-record-by-id", "id", "record", {"schemaKey": "objectKey"}),
    creates=frozenset({"RecordCreate"}),
    updates=frozenset({"RecordUpdate"}),
    deletes=frozenset({"RecordDelete"}),
    recheck=frozenset({"RecordCreate", "RecordUpdate"}),
    event_noise=frozenset({"properties", "owners"}),
)
ASSOCIATIONS = Resource(
    name="associations",
    operation="associations.find-associations",
    single=Single("associations.get-association-by-ID", "associationId"),
    creates=frozenset({"AssociationCreate"}),
    updates=frozenset({"AssociationUpdate"}),
    deletes=frozenset({"AssociationDelete"}),
)
RELATIONS = Resource(
    name="relations",
    operation="associations.get-relations-by-record-id",
    below=Parent(CUSTOM_RECORDS, "recordId", named="firstRecordId", by_change=True),
    creates=frozenset({"RelationCreate"}),
    deletes=frozenset({"RelationDelete"}),
)

ALL = (CUSTOM_OBJECTS, CUSTOM_OBJECT_FIELDS, CUSTOM_RECORDS, ASSOCIATIONS, RELATIONS)
