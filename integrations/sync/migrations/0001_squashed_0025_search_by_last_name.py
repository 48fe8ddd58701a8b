"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.fields.json
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.db.models.lookups
import integrations.sync.resources.searchable
from django.db import migrations, models


from integrations.sync.resources.searchable import LAST_NAME, LOOKUPS, NO_STATISTICS, STATISTICS, TAG_KEYS


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

    replaces = [('sync', '0001_initial'), ('sync', '0002_run_indexes'), ('sync', '0003_checkpoint_help_texts'), ('sync', '0004_run_states'), ('sync', '0005_validate_run_states'), ('sync', '0006_record_evidence'), ('sync', '0007_validate_tombstones'), ('sync', '0008_vendor_answer'), ('sync', '0009_suppressed_records'), ('sync', '0010_record_keys'), ('sync', '0011_runs_of_unknown_fate'), ('sync', '0012_visits_and_choices'), ('sync', '0013_contact_search'), ('sync', '0014_searches_and_feed'), ('sync', '0015_intervals_and_own_choices'), ('sync', '0016_runs_by_trace_id'), ('sync', '0017_history_of_records'), ('sync', '0018_fields_and_filters'), ('sync', '0019_adaptive_intervals'), ('sync', '0020_row_macs'), ('sync', '0021_words_of_labels'), ('sync', '0022_variants'), ('sync', '0023_known_values'), ('sync', '0024_validate_known_values'), ('sync', '0025_search_by_last_name')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.RunSQL(TAG_KEYS, 'DROP FUNCTION sync_tag_keys(text, jsonb)'),
        migrations.RunSQL(CHANGED_FIELDS, 'DROP FUNCTION sync_changed_fields(jsonb, jsonb)'),
        migrations.CreateModel(
            name='AdaptiveChoice',
            fields=[
                ('app', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='adaptive_choice', serialize=False, to='tenants.app')),
                ('enabled', models.BooleanField()),
                ('shortest', models.DurationField()),
                ('longest', models.DurationField()),
                ('calls_per_day', models.PositiveBigIntegerField(help_text='of all locations together')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('computed_at', models.DateTimeField(blank=True, null=True)),
                ('planned_calls', models.PositiveBigIntegerField(blank=True, null=True)),
                ('mac', models.BinaryField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RecordKey',
            fields=[
                ('location_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('sealed', models.BinaryField()),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SuppressedRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('location_hash', models.BinaryField(db_index=True, max_length=32)),
                ('record_hash', models.BinaryField(max_length=32, unique=True)),
                ('since', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SuppressionKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sealed', models.BinaryField()),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next run')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('location_id', models.CharField(max_length=64, verbose_name='location id')),
                ('resource', models.CharField(max_length=40)),
                ('variant', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('cursor_at', models.DateTimeField(blank=True, null=True, verbose_name='changes are here up to')),
                ('full_due_at', models.DateTimeField(blank=True, help_text='empty: at once', null=True, verbose_name='next full run')),
                ('repair_asked_at', models.DateTimeField(blank=True, null=True, verbose_name='repair asked for')),
                ('counted_at', models.DateTimeField(blank=True, null=True, verbose_name="last compared with HighLevel's count")),
                ('surplus', models.IntegerField(db_default=0, default=0, help_text="records of the copy beyond the vendor's count that a full run did not explain", verbose_name='unexplained records')),
                ('synced_at', models.DateTimeField(blank=True, null=True, verbose_name='last synced')),
                ('position', models.JSONField(blank=True, help_text='in the order of changes', null=True, verbose_name='last parent visited')),
                ('calls_per_day', models.PositiveIntegerField(blank=True, help_text='below single records; empty: 10,000', null=True, verbose_name='most calls a day')),
                ('calls_today', models.PositiveIntegerField(db_default=0, default=0, verbose_name='calls of that day')),
                ('calls_on', models.DateField(blank=True, null=True, verbose_name='day of these calls')),
                ('is_own_choice', models.BooleanField(db_default=False, default=False, verbose_name='chosen for this location')),
                ('is_left_out', models.BooleanField(db_default=False, default=False, verbose_name='not chosen')),
                ('every', models.DurationField(blank=True, help_text="empty: the resource's", null=True, verbose_name='wait between runs')),
                ('adapted_every', models.DurationField(blank=True, editable=False, help_text='that wait as it adapts to the location', null=True, verbose_name='adapted wait')),
                ('listed', models.PositiveIntegerField(blank=True, null=True, verbose_name='rows of the last whole listing')),
                ('keeps_history', models.BooleanField(db_default=False, default=False, verbose_name='keeps history')),
                ('drop_due_at', models.DateTimeField(blank=True, null=True, verbose_name='next deletion of records, on request')),
                ('fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text='which fields are kept; empty: all')),
                ('fields_chosen_at', models.DateTimeField(blank=True, null=True, verbose_name='fields chosen')),
                ('fields_due_at', models.DateTimeField(blank=True, null=True, verbose_name='next deletion of fields left out')),
                ('filters', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text='filters of the listing, by parameter')),
                ('mac', models.BinaryField(null=True)),
                ('due_mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='plans', to='tenants.app')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('drop_due_at__isnull', False)), fields=['drop_due_at'], name='plan_drop_due'), models.Index(condition=models.Q(('fields_due_at__isnull', False)), fields=['fields_due_at'], name='plan_fields_due'), models.Index(condition=models.Q(('keeps_history', True)), fields=['location_id'], name='plan_keeping_history')],
                'constraints': [models.UniqueConstraint(fields=('app', 'location_id', 'resource', 'variant'), name='one_plan_per_variant')],
            },
        ),
        migrations.CreateModel(
            name='Record',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('location_id', models.CharField(max_length=64)),
                ('resource', models.CharField(max_length=40)),
                ('record_id', models.CharField(max_length=64)),
                ('payload', models.JSONField()),
                ('version_at', models.DateTimeField(verbose_name="HighLevel's date of change")),
                ('alive_at', models.DateTimeField(blank=True, null=True, verbose_name='last known to exist')),
                ('seen_run', models.BigIntegerField(blank=True, null=True, verbose_name='last full sync that saw it')),
                ('missing_at', models.DateTimeField(blank=True, null=True, verbose_name='missing since')),
                ('deleted_at', models.DateTimeField(blank=True, null=True, verbose_name='deleted')),
                ('deleted_by', models.CharField(blank=True, choices=[('', 'not deleted'), ('event', 'a webhook'), ('call', "the vendor's answer to a call for this record"), ('listing', 'two listings that lack it'), ('parent', 'the deletion of the record that it belongs to'), ('earlier', 'an earlier version of this program')], db_default='', max_length=10)),
                ('updated_at', models.DateTimeField(verbose_name='changed here')),
                ('last_change', models.JSONField(editable=False, help_text='what the last merge with history changed (`changes`)', null=True)),
                ('changed_in', models.BigIntegerField(db_default=integrations.sync.resources.searchable.TransactionId(), editable=False, help_text='the transaction that last changed it (`sync.feed`)')),
                ('added_in', models.BigIntegerField(db_default=integrations.sync.resources.searchable.TransactionId(), editable=False, help_text='the transaction that made it, or brought it back')),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='records', to='tenants.app')),
            ],
            options={
                'indexes': [models.Index(models.F('app'), models.F('location_id'), models.F('resource'), models.OrderBy(django.db.models.functions.comparison.Collate(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('dateAdded', 'payload'), django.db.models.fields.json.KeyTextTransform('createdAt', 'payload')), 200), 'C'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at', None)), name='record_newest'), models.Index(fields=['app', 'location_id', 'resource', 'updated_at', 'id'], name='record_changed'), models.Index(fields=['app', 'resource', 'changed_in', 'id'], name='record_feed'), models.Index(django.db.models.functions.text.Left(django.db.models.fields.json.KeyTextTransform('contactId', 'payload'), 200), models.F('resource'), condition=models.Q(django.db.models.lookups.IsNull(django.db.models.functions.text.Left(django.db.models.fields.json.KeyTextTransform('contactId', 'payload'), 200), rhs=False), ('deleted_at', None)), name='record_by_contact'), models.Index(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('orderId', 'payload'), django.db.models.fields.json.KeyTextTransform('appointmentId', 'payload'), django.db.models.fields.json.KeyTextTransform('firstRecordId', 'payload')), 200), models.F('resource'), condition=models.Q(django.db.models.lookups.IsNull(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('orderId', 'payload'), django.db.models.fields.json.KeyTextTransform('appointmentId', 'payload'), django.db.models.fields.json.KeyTextTransform('firstRecordId', 'payload')), 200), rhs=False), ('deleted_at', None)), name='record_by_parent'), django.contrib.postgres.indexes.GinIndex(integrations.sync.resources.searchable.TagKeys(), condition=models.Q(django.db.models.lookups.IsNull(integrations.sync.resources.searchable.TagKeys(), rhs=False), ('deleted_at', None)), name='record_by_tag')],
                'constraints': [models.CheckConstraint(condition=models.Q(('deleted_by__in', ['', 'event', 'call', 'listing', 'parent', 'earlier'])), name='sync_record_deleted_by_known'), models.UniqueConstraint(fields=('app', 'location_id', 'resource', 'record_id'), name='each_record_once'), models.CheckConstraint(condition=models.Q(models.Q(('deleted_at', None), ('deleted_by', '')), models.Q(('deleted_at__isnull', False), models.Q(('deleted_by', ''), _negated=True)), _connector='OR'), name='sync_record_tombstone_proven')],
            },
        ),
        migrations.CreateModel(
            name='ResourceChoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource', models.CharField(max_length=40)),
                ('enabled', models.BooleanField()),
                ('every', models.DurationField(blank=True, help_text="the wait between two runs; empty: the resource's", null=True)),
                ('keeps_history', models.BooleanField(db_default=False, default=False)),
                ('fields', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('filters', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('calls_per_day', models.PositiveIntegerField(blank=True, null=True, verbose_name='most calls a day')),
                ('mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='resource_choices', to='tenants.app')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('app', 'resource'), name='one_choice_per_resource')],
            },
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('running', 'running'), ('complete', 'complete'), ('failed', 'failed'), ('cancelled', 'cancelled'), ('unknown', 'waits: did a write happen?')], default='running', max_length=10)),
                ('due_at', models.DateTimeField(help_text='when the next turn may begin', verbose_name='next turn')),
                ('lease_owner', models.CharField(blank=True, max_length=64, verbose_name='leased by')),
                ('lease_until', models.DateTimeField(blank=True, null=True, verbose_name='leased until')),
                ('attempts', models.PositiveIntegerField(default=0, help_text='at this checkpoint', verbose_name='failures in a row')),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('trace_id', models.CharField(blank=True, max_length=64)),
                ('vendor_answer', models.JSONField(blank=True, help_text='what HighLevel answered, redacted', null=True, verbose_name="HighLevel's answer")),
                ('started_at', models.DateTimeField(verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('mac', models.BinaryField(null=True)),
                ('kind', models.CharField(choices=[('full', 'full'), ('incremental', 'incremental'), ('repair', 'repair')], max_length=12)),
                ('checkpoint', models.JSONField(default=dict, help_text="what the next page's request is made from")),
                ('pages', models.PositiveIntegerField(default=0)),
                ('seen', models.PositiveIntegerField(default=0, verbose_name='rows read')),
                ('skipped', models.PositiveIntegerField(default=0, help_text='rows without a usable id')),
                ('total', models.PositiveIntegerField(blank=True, help_text='the least of any page with rows', null=True, verbose_name="HighLevel's own count")),
                ('changed', models.PositiveIntegerField(db_default=0, default=0, help_text='records that differed from the copy')),
                ('asked', models.PositiveIntegerField(db_default=0, default=0, verbose_name='single records asked for')),
                ('deleted', models.PositiveIntegerField(default=0)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='sync.plan')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'running')), fields=['due_at'], name='run_due'), models.Index(fields=['plan', '-id'], name='run_latest'), models.Index(condition=models.Q(('status__in', ['running', 'failed', 'cancelled'])), fields=['status', 'finished_at'], name='run_not_complete'), models.Index(fields=['error_code', 'id'], name='run_by_error'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='run_by_trace_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled', 'unknown'])), name='sync_run_status_known'), models.UniqueConstraint(condition=models.Q(('status', 'running')), fields=('plan',), name='one_running_run_per_plan'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), models.Q(('finished_at__isnull', False), _negated=True)), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='sync_run_finished_or_running'), models.CheckConstraint(condition=models.Q(models.Q(('lease_owner', ''), models.Q(('lease_until__isnull', False), _negated=True)), models.Q(models.Q(('lease_owner', ''), _negated=True), ('lease_until__isnull', False)), _connector='OR'), name='sync_run_lease_complete'), models.CheckConstraint(condition=models.Q(('kind__in', ['full', 'incremental', 'repair'])), name='sync_run_kind_known')],
            },
        ),
        migrations.CreateModel(
            name='ChosenVariant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('location_id', models.CharField(blank=True, max_length=64, verbose_name='tenant id')),
                ('resource', models.CharField(max_length=40)),
                ('name', models.CharField(max_length=40)),
                ('enabled', models.BooleanField(db_default=True, default=True)),
                ('every', models.DurationField(blank=True, help_text="the wait between two runs; empty: the resource's", null=True)),
                ('filters', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='chosen_variants', to='tenants.app')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('app', 'location_id', 'resource', 'name'), name='one_choice_per_variant')],
            },
        ),
        migrations.CreateModel(
            name='FeedPosition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('consumer', models.CharField(max_length=64)),
                ('resource', models.CharField(max_length=40)),
                ('changed_in', models.BigIntegerField(default=0)),
                ('record_pk', models.BigIntegerField(default=0)),
                ('read_at', models.DateTimeField(help_text='when the consumer last read or acknowledged changes')),
                ('delivered', models.BigIntegerField(default=0, help_text='changes that it acknowledged')),
                ('batches', models.BigIntegerField(default=0, help_text='in so many batches')),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='feed_positions', to='tenants.app')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('app', 'consumer', 'resource'), name='one_feed_position')],
            },
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
                'constraints': [models.CheckConstraint(condition=models.Q(('what__in', ['added', 'changed', 'deleted', 'restored'])), name='sync_historyentry_what_known'), models.CheckConstraint(condition=models.Q(('source__in', ['listing', 'event', 'call', 'parent', 'operator'])), name='sync_historyentry_source_known')],
            },
        ),
        *[
            migrations.RunSQL(f"CREATE INDEX {name} ON sync_record {indexed}", f"DROP INDEX {name}")
            for name, indexed in LOOKUPS.items()
        ],
        migrations.RunSQL(f"CREATE INDEX {LAST_NAME}", "DROP INDEX record_by_last_name"),
        migrations.RunSQL(STATISTICS, NO_STATISTICS),
    ]
