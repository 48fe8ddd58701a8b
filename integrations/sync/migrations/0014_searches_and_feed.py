# The indexes of searches, and the columns of the change feed. Rows of before get 0 there, a constant, so the table is
# not written anew; only then the default is the transaction.
#
# Each index is built while workers read and write, so no part of it runs in a transaction. When a build is interrupted,
# its index stays invalid: drop it and migrate again.

import django.contrib.postgres.indexes
import django.db.models.fields.json
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.db.models.lookups
import integrations.sync.resources.searchable
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
import django.db.models.deletion

from integrations.sync.resources.searchable import LOOKUPS, NO_STATISTICS, STATISTICS, TAG_KEYS


# They replace indexes whose entries had no limit: a longer text of a form would have stopped its page.
REPLACED = {
    'record_by_email': 'record_contact_email',
    'record_by_phone': 'record_contact_phone',
    'record_by_name': 'record_contact_name',
}
ADD = """
ALTER TABLE sync_record ADD COLUMN IF NOT EXISTS added_in bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS changed_in bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_record ALTER COLUMN added_in SET DEFAULT pg_current_xact_id()::text::bigint,
    ALTER COLUMN changed_in SET DEFAULT pg_current_xact_id()::text::bigint
"""
REMOVE = "ALTER TABLE sync_record DROP COLUMN added_in, DROP COLUMN changed_in"


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('sync', '0013_contact_search'),
        ('tenants', '0010_name_of_changes'),
    ]

    operations = [
        migrations.RunSQL(TAG_KEYS, 'DROP FUNCTION sync_tag_keys(text, jsonb)'),
        AddIndexConcurrently(
            model_name='record',
            index=models.Index(models.F('app'), models.F('location_id'), models.F('resource'), models.OrderBy(django.db.models.functions.comparison.Collate(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('dateAdded', 'payload'), django.db.models.fields.json.KeyTextTransform('createdAt', 'payload')), 200), 'C'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deleted_at', None)), name='record_newest'),
        ),
        AddIndexConcurrently(
            model_name='record',
            index=models.Index(fields=['app', 'location_id', 'resource', 'updated_at', 'id'], name='record_changed'),
        ),
        AddIndexConcurrently(
            model_name='record',
            index=models.Index(django.db.models.functions.text.Left(django.db.models.fields.json.KeyTextTransform('contactId', 'payload'), 200), models.F('resource'), condition=models.Q(django.db.models.lookups.IsNull(django.db.models.functions.text.Left(django.db.models.fields.json.KeyTextTransform('contactId', 'payload'), 200), False), ('deleted_at', None)), name='record_by_contact'),
        ),
        AddIndexConcurrently(
            model_name='record',
            index=models.Index(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('orderId', 'payload'), django.db.models.fields.json.KeyTextTransform('appointmentId', 'payload'), django.db.models.fields.json.KeyTextTransform('firstRecordId', 'payload')), 200), models.F('resource'), condition=models.Q(django.db.models.lookups.IsNull(django.db.models.functions.text.Left(django.db.models.functions.comparison.Coalesce(django.db.models.fields.json.KeyTextTransform('orderId', 'payload'), django.db.models.fields.json.KeyTextTransform('appointmentId', 'payload'), django.db.models.fields.json.KeyTextTransform('firstRecordId', 'payload')), 200), False), ('deleted_at', None)), name='record_by_parent'),
        ),
        AddIndexConcurrently(
            model_name='record',
            index=django.contrib.postgres.indexes.GinIndex(integrations.sync.resources.searchable.TagKeys(), condition=models.Q(django.db.models.lookups.IsNull(integrations.sync.resources.searchable.TagKeys(), False), ('deleted_at', None)), name='record_by_tag'),
        ),
        *[
            migrations.RunSQL(sql, migrations.RunSQL.noop)
            for name, indexed in LOOKUPS.items()
            for sql in (
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON sync_record {indexed}",
                f"DROP INDEX CONCURRENTLY IF EXISTS {REPLACED[name]}",
            )
        ],
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(ADD, REMOVE)],
            [
                migrations.AddField(
                    model_name='record',
                    name='added_in',
                    field=models.BigIntegerField(db_default=integrations.sync.resources.searchable.TransactionId(), editable=False, help_text='the transaction that made it, or brought it back'),
                ),
                migrations.AddField(
                    model_name='record',
                    name='changed_in',
                    field=models.BigIntegerField(db_default=integrations.sync.resources.searchable.TransactionId(), editable=False, help_text='the transaction that last changed it (`sync.feed`)'),
                ),
            ],
        ),
        AddIndexConcurrently(
            model_name='record',
            index=models.Index(fields=['app', 'resource', 'changed_in', 'id'], name='record_feed'),
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
        migrations.RunSQL(STATISTICS, NO_STATISTICS),
    ]
