from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NONE = models.Value({}, models.JSONField())


class Migration(migrations.Migration):

    atomic = False  # the index is built while workers read and write

    dependencies = [('sync', '0017_history_of_records')]

    operations = [
        migrations.AddField('plan', 'fields', models.JSONField(blank=True, db_default=NONE, default=dict, help_text='which fields are kept; empty: all')),
        migrations.AddField('plan', 'fields_chosen_at', models.DateTimeField(blank=True, null=True)),
        migrations.AddField('plan', 'fields_due_at', models.DateTimeField(blank=True, help_text='when fields that are left out are next deleted from stored records', null=True)),
        migrations.AddField('plan', 'filters', models.JSONField(blank=True, db_default=NONE, default=dict, help_text='filters of the listing, by parameter')),
        migrations.AddField('resourcechoice', 'fields', models.JSONField(blank=True, db_default=NONE, default=dict)),
        migrations.AddField('resourcechoice', 'filters', models.JSONField(blank=True, db_default=NONE, default=dict)),
        AddIndexConcurrently(
            model_name='plan',
            index=models.Index(condition=models.Q(('fields_due_at__isnull', False)), fields=['fields_due_at'], name='plan_fields_due'),
        ),
    ]
