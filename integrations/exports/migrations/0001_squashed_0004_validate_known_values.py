"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('exports', '0001_initial'), ('exports', '0002_words_of_labels'), ('exports', '0003_known_values'), ('exports', '0004_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExportPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource', models.CharField(max_length=40)),
                ('number', models.PositiveIntegerField(help_text='in the run, from 1, for each resource')),
                ('rows', models.PositiveIntegerField()),
                ('size', models.PositiveBigIntegerField(help_text='bytes')),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next run')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('resources', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('locations', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, size=None)),
                ('form', models.CharField(choices=[('csv', 'CSV'), ('jsonl', 'JSON Lines'), ('parquet', 'Parquet')], max_length=8, verbose_name='format')),
                ('times', models.CharField(blank=True, help_text='cron, in UTC; empty: once', max_length=40)),
                ('made_by', models.CharField(max_length=160)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='exports', to='tenants.app')),
            ],
            options={
                'permissions': [('download_export', 'May download the files of exports')],
                'constraints': [models.CheckConstraint(condition=models.Q(('form__in', ['csv', 'jsonl', 'parquet'])), name='exports_export_form_known')],
            },
        ),
        migrations.CreateModel(
            name='ExportChunk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('data', models.BinaryField()),
                ('part', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='chunks', to='exports.exportpart')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('part', 'number'), name='each_export_chunk_once')],
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
                ('checkpoint', models.JSONField(default=dict, help_text='the resource, and where the next file begins')),
                ('rows', models.PositiveBigIntegerField(default=0)),
                ('total', models.PositiveBigIntegerField(blank=True, help_text='expected, from the last listings', null=True)),
                ('export', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='exports.export')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'running')), fields=['due_at'], name='export_run_due'), models.Index(fields=['export', '-id'], name='export_run_latest'), models.Index(condition=models.Q(('status__in', ['running', 'failed', 'cancelled'])), fields=['status', 'finished_at'], name='export_run_not_complete'), models.Index(fields=['error_code', 'id'], name='export_run_by_error'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='export_run_by_trace_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled', 'unknown'])), name='exports_run_status_known'), models.UniqueConstraint(condition=models.Q(('status', 'running')), fields=('export',), name='one_running_run_per_export'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), models.Q(('finished_at__isnull', False), _negated=True)), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='exports_run_finished_or_running'), models.CheckConstraint(condition=models.Q(models.Q(('lease_owner', ''), models.Q(('lease_until__isnull', False), _negated=True)), models.Q(models.Q(('lease_owner', ''), _negated=True), ('lease_until__isnull', False)), _connector='OR'), name='exports_run_lease_complete')],
            },
        ),
        migrations.AddField(
            model_name='exportpart',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='exports.run'),
        ),
        migrations.AddConstraint(
            model_name='exportpart',
            constraint=models.UniqueConstraint(fields=('run', 'resource', 'number'), name='each_export_part_once'),
        ),
    ]
