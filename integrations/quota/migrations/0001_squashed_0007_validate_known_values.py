"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('quota', '0001_initial'), ('quota', '0002_parked_line'), ('quota', '0003_help_texts'), ('quota', '0004_leader_lease'), ('quota', '0005_words_of_labels'), ('quota', '0006_known_values'), ('quota', '0007_validate_known_values')]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Parked',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(help_text='<client id>:<location or company id>', max_length=160, verbose_name='resource')),
                ('lane', models.CharField(choices=[('interactive', 'interactive'), ('events', 'events'), ('bulk', 'bulk')], max_length=12)),
                ('task', models.CharField(max_length=80)),
                ('kwargs', models.JSONField(verbose_name='arguments')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('handed', 'handed to a worker'), ('running', 'running')], default='waiting', max_length=8)),
                ('turn', models.PositiveIntegerField(default=0, verbose_name='times handed out')),
                ('reason', models.CharField(blank=True, help_text='what was missing: quota (burst or day), or the quota store (store)', max_length=8)),
                ('parked_at', models.DateTimeField(verbose_name='parked')),
                ('place_at', models.DateTimeField(help_text='position among the waiting tasks, the earliest first', verbose_name='place in the line')),
                ('due_at', models.DateTimeField(help_text='no worker gets it before', verbose_name='next try')),
                ('back_at', models.DateTimeField(blank=True, help_text='when it waits again unless it has ended by then', null=True, verbose_name='waits again')),
            ],
            options={
                'verbose_name': 'parked task',
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['key', 'lane', 'place_at', 'id'], name='parked_line'), models.Index(condition=models.Q(('state', 'waiting'), _negated=True), fields=['back_at'], name='parked_back')],
                'constraints': [models.CheckConstraint(condition=models.Q(('lane__in', ['interactive', 'events', 'bulk'])), name='quota_parked_lane_known'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'handed', 'running'])), name='quota_parked_state_known'), models.UniqueConstraint(fields=('task', 'kwargs'), name='each_task_parked_once')],
            },
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=160, verbose_name='resource')),
                ('bucket_at', models.DateTimeField(verbose_name='beginning')),
                ('lane', models.CharField(max_length=12)),
                ('job', models.CharField(blank=True, help_text='empty: a page or a command', max_length=80)),
                ('calls', models.PositiveIntegerField()),
            ],
            options={
                'verbose_name_plural': 'usage',
                'indexes': [models.Index(fields=['bucket_at'], name='usage_age')],
                'constraints': [models.UniqueConstraint(fields=('key', 'bucket_at', 'lane', 'job'), name='one_usage_row')],
            },
        ),
    ]
