"""Numbers and seals for the audit trail, its sealed head, and triggers that refuse to change what was appended.

All entries are kept, with their chain values. The migration 0002 of the vault seals them by an entry that follows.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

import integrations.core.audit_seals

NUMBERS = """
UPDATE core_auditentry SET number = found.number
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM core_auditentry) found
WHERE core_auditentry.id = found.id
"""

# `integrations.core.audit.maintenance.lifted` sets the setting for one transaction.
TRIGGERS = """
CREATE FUNCTION core_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('hlapp.audit_path', true) = 'retention' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit trail is append only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Old entries are deleted by manage.py audit prune.';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditheadexport
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON core_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_append_only();
"""

NO_TRIGGERS = """
DROP TRIGGER append_only ON core_auditentry;
DROP TRIGGER append_only ON core_auditheadexport;
DROP TRIGGER append_only ON core_audithead;
DROP FUNCTION core_audit_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0005_hung_help_text")]

    operations = [
        migrations.AddField("auditentry", "number", models.PositiveBigIntegerField(null=True)),
        migrations.RunSQL(NUMBERS, migrations.RunSQL.noop),
        migrations.AlterField(
            "auditentry",
            "number",
            models.PositiveBigIntegerField(editable=False, help_text="without gaps", unique=True),
        ),
        migrations.AddField(
            "auditentry",
            "key_id",
            models.CharField(
                blank=True, default="", editable=False, help_text="of the key in VAULT_KEYS", max_length=32
            ),
            preserve_default=False,
        ),
        migrations.AddField("auditentry", "seal", models.BinaryField(max_length=32, null=True)),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("value", models.BinaryField(default=integrations.core.audit_seals.GENESIS, max_length=32)),
                ("base_number", models.PositiveBigIntegerField(default=0)),
                ("base_value", models.BinaryField(default=integrations.core.audit_seals.GENESIS, max_length=32)),
                ("sealed_from", models.PositiveBigIntegerField(default=1)),
                ("at", models.DateTimeField(null=True)),
                ("key_id", models.CharField(default="", max_length=32)),
                ("seal", models.BinaryField(default=b"", max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="AuditHeadExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField(db_index=True)),
                ("head", models.JSONField()),
                ("exported_at", models.DateTimeField()),
                (
                    "places",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), default=list, size=None
                    ),
                ),
                ("trouble", models.CharField(blank=True, max_length=300)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
