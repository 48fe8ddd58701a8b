from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # the index is built while workers read and write

    dependencies = [
        ('sync', '0014_searches_and_feed'),
        ('tenants', '0010_name_of_changes'),
    ]

    operations = [
        migrations.AddField(
            model_name='plan',
            name='drop_due_at',
            field=models.DateTimeField(blank=True, help_text='when more of its records are deleted, because somebody asked for that', null=True),
        ),
        migrations.AddField(
            model_name='plan',
            name='every',
            field=models.DurationField(blank=True, help_text="the wait between two runs; empty: the resource's", null=True),
        ),
        migrations.AddField(
            model_name='plan',
            name='is_left_out',
            field=models.BooleanField(db_default=False, default=False, help_text='not chosen, so it does not run; a paused plan is chosen'),
        ),
        migrations.AddField(
            model_name='plan',
            name='is_own_choice',
            field=models.BooleanField(db_default=False, default=False, help_text="chosen for this location: the app's choice does not change it"),
        ),
        migrations.AddField(
            model_name='plan',
            name='listed',
            field=models.PositiveIntegerField(blank=True, help_text='rows of the last listing that was read to its end', null=True),
        ),
        migrations.AddField(
            model_name='resourcechoice',
            name='every',
            field=models.DurationField(blank=True, help_text="the wait between two runs; empty: the resource's", null=True),
        ),
        AddIndexConcurrently(
            model_name='plan',
            index=models.Index(condition=models.Q(('drop_due_at__isnull', False)), fields=['drop_due_at'], name='plan_drop_due'),
        ),
    ]
