"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('jobs', '0001_initial'), ('jobs', '0002_run_indexes'), ('jobs', '0003_checkpoint_help_texts'), ('jobs', '0004_run_states'), ('jobs', '0005_validate_run_states'), ('jobs', '0006_pausing_and_set_aside_events'), ('jobs', '0007_lifecycle_triggers'), ('jobs', '0008_vendor_answer'), ('jobs', '0009_writes_and_unknown_runs'), ('jobs', '0010_memory'), ('jobs', '0011_events_of_runs'), ('jobs', '0012_runs_by_trace_id'), ('jobs', '0013_row_macs'), ('jobs', '0014_state_mac'), ('jobs', '0015_words_of_labels'), ('jobs', '0016_known_values'), ('jobs', '0017_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
        ('webhooks', '0001_squashed_0012_index_of_trace_ids'),
    ]

    operations = [
        migrations.CreateModel(
            name='JobState',
            fields=[
                ('job', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('crashes', models.PositiveIntegerField(default=0, help_text='crashed runs in a row, of any tenant')),
                ('paused_at', models.DateTimeField(blank=True, null=True, verbose_name='paused')),
                ('paused_by', models.CharField(blank=True, help_text='empty: paused by itself after crashes', max_length=200)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('mac', models.BinaryField(null=True)),
            ],
            options={
                'verbose_name': 'job',
                'constraints': [models.CheckConstraint(condition=models.Q(('paused_at__isnull', False), models.Q(('paused_by', ''), ('reason', '')), _connector='OR'), name='reason_only_while_paused')],
            },
        ),
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next run')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('job', models.CharField(max_length=80)),
                ('level', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='company or location')),
                ('tenant_id', models.CharField(help_text="the location's or company's id", max_length=64, verbose_name='tenant')),
                ('since', models.DateTimeField(blank=True, help_text='when the latest complete run was started', null=True)),
                ('memory', models.JSONField(blank=True, help_text='what the job keeps between its runs', null=True)),
                ('mac', models.BinaryField(null=True)),
                ('due_mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='job_schedules', to='tenants.app')),
            ],
            options={
                'verbose_name': 'job schedule',
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['Company', 'Location'])), name='jobs_schedule_level_known'), models.UniqueConstraint(fields=('app', 'job', 'level', 'tenant_id'), name='one_schedule_per_job_and_tenant')],
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
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(blank=True, null=True)),
                ('counts', models.JSONField(default=dict, help_text='what the job counted')),
                ('note', models.CharField(blank=True, help_text='what the job has to say', max_length=300)),
                ('checkpoint', models.JSONField(default=dict)),
                ('page', models.JSONField(blank=True, help_text='emptied at the end', null=True)),
                ('turns', models.PositiveIntegerField(default=0)),
                ('events', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), db_default=[], default=list, help_text='keys of the latest webhooks that it saw', size=None)),
                ('mac', models.BinaryField(null=True)),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='jobs.schedule')),
            ],
            options={
                'verbose_name': 'job run',
                'indexes': [models.Index(condition=models.Q(('status', 'running')), fields=['due_at'], name='job_run_due'), models.Index(fields=['schedule', '-id'], name='job_run_latest'), models.Index(condition=models.Q(('status__in', ['running', 'failed', 'cancelled'])), fields=['status', 'finished_at'], name='job_run_not_complete'), models.Index(fields=['error_code', 'id'], name='job_run_by_error'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='job_run_by_trace_id'), models.Index(fields=['finished_at'], name='job_run_finished'), models.Index(condition=models.Q(('status', 'unknown')), fields=['schedule'], name='job_run_unknown')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled', 'unknown'])), name='jobs_run_status_known'), models.UniqueConstraint(condition=models.Q(('status', 'running')), fields=('schedule',), name='one_running_run_per_schedule'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), models.Q(('finished_at__isnull', False), _negated=True)), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='jobs_run_finished_or_running'), models.CheckConstraint(condition=models.Q(models.Q(('lease_owner', ''), models.Q(('lease_until__isnull', False), _negated=True)), models.Q(models.Q(('lease_owner', ''), _negated=True), ('lease_until__isnull', False)), _connector='OR'), name='jobs_run_lease_complete')],
            },
        ),
        migrations.CreateModel(
            name='Trigger',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('set_aside_at', models.DateTimeField(blank=True, null=True, verbose_name='set aside')),
                ('error_code', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('error', models.CharField(blank=True, db_default='', default='', max_length=300)),
                ('mac', models.BinaryField(null=True)),
                ('change', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.installationchange')),
                ('event', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks.event')),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='triggers', to='jobs.schedule')),
            ],
            options={
                'verbose_name': 'event of a job',
                'verbose_name_plural': 'events of jobs',
                'indexes': [models.Index(condition=models.Q(('set_aside_at__isnull', False)), fields=['-set_aside_at'], name='job_event_set_aside')],
                'constraints': [models.UniqueConstraint(fields=('schedule', 'event'), name='each_event_once_per_schedule'), models.UniqueConstraint(fields=('schedule', 'change'), name='each_change_once_per_schedule'), models.CheckConstraint(condition=models.Q(models.Q(('change__isnull', True), ('event__isnull', False)), models.Q(('change__isnull', False), ('event__isnull', True)), _connector='OR'), name='trigger_is_event_or_change'), models.CheckConstraint(condition=models.Q(('set_aside_at__isnull', False), models.Q(('error', ''), ('error_code', '')), _connector='OR'), name='waiting_event_has_no_error')],
            },
        ),
        migrations.CreateModel(
            name='Write',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(blank=True, help_text='chosen by the job for what is sent once', max_length=200)),
                ('operation', models.CharField(max_length=120)),
                ('fingerprint', models.CharField(help_text='SHA-256 of operation, parameters and body', max_length=64)),
                ('number', models.PositiveIntegerField(default=0, help_text='in the order of the run')),
                ('in_page', models.BooleanField(default=False, help_text='sent for a page of a listing or an item of it')),
                ('request', models.JSONField(default=dict, help_text='parameters and body; emptied with the answer')),
                ('state', models.CharField(choices=[('sent', 'sent'), ('confirmed', 'confirmed'), ('unknown', 'unknown')], default='sent', max_length=10)),
                ('reason', models.CharField(blank=True, help_text='why it is unknown', max_length=300)),
                ('answer', models.JSONField(blank=True, help_text='status, json and trace id', null=True)),
                ('sent_at', models.DateTimeField(verbose_name='sent')),
                ('settled_at', models.DateTimeField(blank=True, null=True, verbose_name='settled')),
                ('mac', models.BinaryField(help_text='of a confirmed write', null=True)),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='writes', to='jobs.run')),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='writes', to='jobs.schedule')),
                ('trigger', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='writes', to='jobs.trigger')),
            ],
            options={
                'verbose_name': 'write of a job',
                'verbose_name_plural': 'writes of jobs',
                'indexes': [models.Index(condition=models.Q(('key', ''), models.Q(('state', 'confirmed'), _negated=True), _connector='OR'), fields=['schedule'], name='job_write_of_schedule'), models.Index(condition=models.Q(('state', 'confirmed'), _negated=True), fields=['-sent_at'], name='job_write_unsettled'), models.Index(fields=['settled_at'], name='job_write_settled')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['sent', 'confirmed', 'unknown'])), name='jobs_write_state_known'), models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('schedule', 'key'), name='one_write_per_key_and_schedule'), models.CheckConstraint(condition=models.Q(models.Q(('answer__isnull', False), ('settled_at__isnull', False), ('state', 'confirmed')), models.Q(('answer__isnull', True), ('state__in', ['sent', 'unknown'])), _connector='OR'), name='confirmed_write_has_answer')],
            },
        ),
    ]
