"""Seals the audit trail of the release before seals, by one entry that follows its entries, and by the head.

The entry proves all before it from now on: none can be changed, removed or inserted any more. It does not prove that
nobody did so before. The chain of hashes is checked, and the entry says what was found.
"""

import json
from datetime import UTC, datetime

from django.db import migrations

from integrations.core import audit_seals
from integrations.core.audit_seals import TrailHead
from integrations.vault import derived_keys, keys

ENTRIES = "SELECT id, at, actor, action, subject, detail::text, previous, hash FROM core_auditentry ORDER BY number"
ENTRY = """
INSERT INTO core_auditentry (number, at, actor, action, subject, detail, previous, hash, key_id, seal)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
HEAD = """
INSERT INTO core_audithead (id, number, value, base_number, base_value, sealed_from, at, key_id, seal)
VALUES (1, %s, %s, 0, %s, %s, %s, %s, %s)
"""


def seal(apps, schema_editor):
    connection = schema_editor.connection
    number, value, first_broken = 0, audit_seals.GENESIS, None
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES)
        while rows := cursor.fetchmany(2000):
            for pk, at, actor, action, subject, detail, previous, found in rows:
                content = {"at": at.astimezone(UTC), "actor": actor, "action": action, "subject": subject}
                expected = audit_seals.chain_value(bytes(previous), detail=json.loads(detail), **content)
                if first_broken is None and (bytes(previous) != value or bytes(found) != expected):
                    first_broken = pk
                number, value = number + 1, bytes(found)
        if not number:
            return
        content = {
            "at": datetime.now(UTC),
            "actor": "migration",
            "action": "audit.sealed",
            "subject": "audit trail",
            "detail": {"entries": number, "first_broken": first_broken},
        }
        # The ring's proof reads tables that later migrations may not have changed yet.
        with derived_keys.with_ring(keys.unproven()):
            new = audit_seals.chain_value(value, **content)
            key_id = audit_seals.keys().newest()
            mac = audit_seals.keys().mac(key_id, audit_seals.entry_message(number + 1, new))
            head = TrailHead(number=number + 1, value=new, sealed_from=number + 1, at=content["at"]).sealed()
        content["detail"] = json.dumps(content["detail"])
        cursor.execute(ENTRY, [number + 1, *content.values(), value, new, key_id, mac])
        cursor.execute(
            HEAD, [head.number, head.value, head.base_value, head.sealed_from, head.at, head.key_id, head.seal]
        )


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_initial"), ("core", "0006_sealed_audit_trail")]

    operations = [migrations.RunPython(seal, migrations.RunPython.noop)]
