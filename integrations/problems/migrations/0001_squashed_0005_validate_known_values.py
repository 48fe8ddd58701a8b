"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('problems', '0001_initial'), ('problems', '0002_exports_and_upserts'), ('problems', '0003_words_of_labels'), ('problems', '0004_known_values'), ('problems', '0005_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReadPosition',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('row', models.BigIntegerField(default=0)),
                ('until', models.BigIntegerField(default=0)),
                ('ahead', models.BigIntegerField(default=0)),
                ('ahead_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Problem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(editable=False, help_text='SHA-256 of the cause', max_length=64, unique=True)),
                ('kind', models.CharField(choices=[('call', 'API call'), ('event', 'Webhook'), ('sync', 'Sync'), ('job', 'Job'), ('job_event', 'Event of a job'), ('credential', 'Credential'), ('outbox', 'Outbox'), ('entry', 'Outbox entry'), ('write', 'Write of a job'), ('export', 'Export'), ('upsert', 'Bulk upsert'), ('upsert_row', 'Row of a bulk upsert')], max_length=12)),
                ('subject', models.CharField(help_text='the operation, type of event, resource or job', max_length=200)),
                ('code', models.CharField(blank=True, max_length=40, verbose_name='error')),
                ('status', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='HTTP status')),
                ('words', models.CharField(blank=True, help_text='of the error, without ids, numbers and names', max_length=300)),
                ('count', models.PositiveBigIntegerField(default=0, verbose_name='failures')),
                ('tenants', models.PositiveIntegerField(default=0)),
                ('first_seen', models.DateTimeField(verbose_name='first seen')),
                ('last_seen', models.DateTimeField(db_index=True, verbose_name='last seen')),
                ('opened_at', models.DateTimeField(db_index=True, help_text='when it was first seen, or seen again after it was fixed', verbose_name='open since')),
                ('reopened', models.PositiveIntegerField(default=0, help_text='how often it was seen again after it was fixed', verbose_name='times it came back')),
                ('fixed_at', models.DateTimeField(blank=True, null=True, verbose_name='fixed')),
                ('fixed_by', models.CharField(blank=True, max_length=200)),
                ('muted_until', models.DateTimeField(blank=True, null=True)),
                ('app', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.app')),
                ('assignee', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='taken by')),
            ],
            options={
                'indexes': [models.Index(fields=['kind', 'subject', 'code'], name='problem_by_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['call', 'event', 'sync', 'job', 'job_event', 'credential', 'outbox', 'entry', 'write', 'export', 'upsert', 'upsert_row'])), name='problems_problem_kind_known')],
            },
        ),
        migrations.CreateModel(
            name='AffectedTenant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant_id', models.CharField(max_length=64, verbose_name='tenant')),
                ('count', models.PositiveBigIntegerField(default=0, verbose_name='failures')),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('row', models.BigIntegerField(help_text='key of the row of its latest failure')),
                ('trace_id', models.CharField(blank=True, max_length=64)),
                ('problem', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='affected', to='problems.problem')),
            ],
            options={
                'indexes': [models.Index(fields=['problem', '-last_seen'], name='affected_latest'), models.Index(fields=['tenant_id', '-last_seen'], name='affected_by_tenant')],
                'constraints': [models.UniqueConstraint(fields=('problem', 'tenant_id'), name='each_tenant_of_a_problem_once')],
            },
        ),
    ]
