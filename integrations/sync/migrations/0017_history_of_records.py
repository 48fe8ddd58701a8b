import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# The fields that differ, each with its old and its new value. Where only the encryption of a field differs, because of
# another setting, nothing has changed, and the plain value must not stay in the history.
CHANGED_FIELDS = """
CREATE OR REPLACE FUNCTION sync_changed_fields(old jsonb, new jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.coalesce(pg_catalog.jsonb_object_agg(key, pg_catalog.jsonb_build_array(was.value, later.value)),
        '{}')
    FROM pg_catalog.jsonb_each(old) AS was FULL JOIN pg_catalog.jsonb_each(new) AS later USING (key)
    WHERE was.value IS DISTINCT FROM later.value
        AND NOT pg_catalog.coalesce((was.value ? '~sealed') <> (later.value ? '~sealed')
            AND (CASE WHEN was.value ? '~sealed' THEN later.value ELSE was.value END)
                NOT IN ('null', '""', '[]', '{}'), false)
$$
""".replace('pg_catalog.coalesce', 'coalesce')


class Migration(migrations.Migration):

    atomic = False  # the index is built while workers read and write

    dependencies = [
        ('sync', '0016_runs_by_trace_id'),
        ('tenants', '0010_name_of_changes'),
    ]

    operations = [
        migrations.RunSQL(CHANGED_FIELDS, 'DROP FUNCTION sync_changed_fields(jsonb, jsonb)'),
        migrations.AddField(
            model_name='plan',
            name='keeps_history',
            field=models.BooleanField(db_default=False, default=False, help_text='whether each change of its records is kept'),
        ),
        migrations.AddField(
            model_name='record',
            name='last_change',
            field=models.JSONField(editable=False, help_text='what the last merge with history changed (`changes`)', null=True),
        ),
        migrations.AddField(
            model_name='resourcechoice',
            name='keeps_history',
            field=models.BooleanField(db_default=False, default=False),
        ),
        AddIndexConcurrently(
            model_name='plan',
            index=models.Index(condition=models.Q(('keeps_history', True)), fields=['location_id'], name='plan_keeping_history'),
        ),
        migrations.CreateModel(
            name='HistoryEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('location_id', models.CharField(max_length=64)),
                ('resource', models.CharField(max_length=40)),
                ('record_id', models.CharField(max_length=64)),
                ('at', models.DateTimeField(help_text='when it was changed here')),
                ('what', models.CharField(choices=[('added', 'added'), ('changed', 'changed'), ('deleted', 'deleted'), ('restored', 'came back')], max_length=8)),
                ('fields', models.JSONField(default=dict)),
                ('source', models.CharField(choices=[('listing', 'a listing'), ('event', 'a webhook'), ('call', 'a call for this record'), ('parent', 'the deletion of the record that it belongs to'), ('operator', 'an operator, who let deletions pass')], max_length=8)),
                ('event_type', models.CharField(blank=True, max_length=64)),
                ('reference', models.CharField(blank=True, max_length=100)),
                ('app', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.app')),
            ],
            options={
                'indexes': [models.Index(fields=['location_id', 'resource', 'record_id', 'id'], name='history_of_record')],
            },
        ),
    ]
