"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


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

    replaces = [('core', '0001_initial'), ('core', '0002_dispatcher'), ('core', '0003_hung_threads'), ('core', '0004_leader_leases'), ('core', '0005_hung_help_text'), ('core', '0006_sealed_audit_trail'), ('core', '0007_bulk_actions'), ('core', '0008_mark_of_bulk_actions'), ('core', '0009_work_of_processes'), ('core', '0010_saved_filters'), ('core', '0011_words_of_labels'), ('core', '0012_known_values'), ('core', '0013_validate_known_values')]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(editable=False, help_text='without gaps', unique=True)),
                ('at', models.DateTimeField(db_index=True, verbose_name='when')),
                ('actor', models.CharField(max_length=200)),
                ('action', models.CharField(db_index=True, max_length=100)),
                ('subject', models.CharField(db_index=True, max_length=200)),
                ('detail', models.JSONField(default=dict)),
                ('previous', models.BinaryField(max_length=32)),
                ('hash', models.BinaryField(max_length=32, unique=True)),
                ('key_id', models.CharField(blank=True, editable=False, help_text='of the key in VAULT_KEYS', max_length=32, verbose_name='key of the seal')),
                ('seal', models.BinaryField(max_length=32, null=True)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('number', models.PositiveBigIntegerField(default=0)),
                ('value', models.BinaryField(default=b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00', max_length=32)),
                ('base_number', models.PositiveBigIntegerField(default=0)),
                ('base_value', models.BinaryField(default=b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00', max_length=32)),
                ('sealed_from', models.PositiveBigIntegerField(default=1)),
                ('at', models.DateTimeField(null=True)),
                ('key_id', models.CharField(default='', max_length=32)),
                ('seal', models.BinaryField(default=b'', max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name='AuditHeadExport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveBigIntegerField(db_index=True)),
                ('head', models.JSONField()),
                ('exported_at', models.DateTimeField()),
                ('places', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), default=list, size=None)),
                ('trouble', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='LeaderLease',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('owner', models.CharField(max_length=64)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('sent', models.PositiveBigIntegerField(default=0, help_text='messages since this owner began to lead')),
                ('unstarted', models.PositiveIntegerField(default=0, help_text='messages that no worker has begun')),
                ('trouble', models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='WorkerProcess',
            fields=[
                ('name', models.CharField(help_text='host, process id and a random part', max_length=64, primary_key=True, serialize=False)),
                ('queues', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('threads', models.PositiveIntegerField()),
                ('hung', models.JSONField(db_default=[], default=list, help_text='what its hung threads work on', verbose_name='hangs')),
                ('work', models.JSONField(db_default=[], default=list, help_text='what its threads work on', verbose_name='works on')),
                ('memory', models.PositiveBigIntegerField(db_default=0, default=0, help_text='resident bytes; 0: not known')),
                ('started_at', models.DateTimeField(verbose_name='started')),
                ('seen_at', models.DateTimeField(verbose_name='last report')),
            ],
            options={
                'verbose_name': 'worker process',
                'verbose_name_plural': 'worker processes',
            },
        ),
        migrations.CreateModel(
            name='BulkAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text='of the rows: app and model', max_length=80)),
                ('action', models.CharField(max_length=80)),
                ('label', models.CharField(max_length=100, verbose_name='action')),
                ('query', models.TextField(blank=True, help_text='filters of the list, as its address has them', verbose_name='filter')),
                ('ids', models.JSONField(default=list, help_text='the chosen rows; empty: all that the filters match')),
                ('newest', models.CharField(help_text='key of the last row; later ones are left out', max_length=64)),
                ('cursor', models.CharField(blank=True, help_text='key of the last row that is done', max_length=64)),
                ('user_id', models.BigIntegerField(help_text='of the operator, whose rights count for each batch')),
                ('operator', models.CharField(max_length=150)),
                ('mark', models.CharField(editable=False, help_text='signature over the above: an operator asked', max_length=160)),
                ('status', models.CharField(choices=[('running', 'running'), ('complete', 'complete'), ('failed', 'failed'), ('cancelled', 'cancelled')], default='running', max_length=10)),
                ('total', models.PositiveBigIntegerField()),
                ('done', models.PositiveBigIntegerField(default=0)),
                ('note', models.CharField(blank=True, help_text='the last thing that went wrong', max_length=300)),
                ('due_at', models.DateTimeField(blank=True, help_text='when a worker goes on with it', null=True)),
                ('created_at', models.DateTimeField(verbose_name='asked for')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='bulk_action_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled'])), name='core_bulkaction_status_known')],
            },
        ),
        migrations.CreateModel(
            name='SavedFilter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text='of the list: app and model', max_length=80)),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(blank=True, help_text='filters of the list, as its address has them', max_length=2000)),
                ('columns', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, help_text="of an export; none: the list's own", size=None)),
                ('form', models.CharField(default='csv', max_length=5, verbose_name='format')),
                ('is_shared', models.BooleanField(default=False, help_text='with all who may see the list', verbose_name='shared')),
                ('saved_at', models.DateTimeField()),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'permissions': [('export_lists', 'May download lists as files')],
                'indexes': [models.Index(condition=models.Q(('is_shared', True)), fields=['model'], name='shared_filters')],
                'constraints': [models.UniqueConstraint(fields=('model', 'owner', 'name'), name='each_filter_of_an_owner_once')],
            },
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
