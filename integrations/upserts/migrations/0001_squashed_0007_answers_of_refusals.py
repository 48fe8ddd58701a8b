"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('upserts', '0001_initial'), ('upserts', '0002_run_of_a_job'), ('upserts', '0003_look_ups'), ('upserts', '0004_words_of_labels'), ('upserts', '0005_known_values'), ('upserts', '0006_validate_known_values'), ('upserts', '0007_answers_of_refusals')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='Upsert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next run')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('level', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='company or location')),
                ('tenant_id', models.CharField(help_text="the location's or company's id", max_length=64, verbose_name='tenant')),
                ('operation', models.CharField(max_length=200)),
                ('version', models.CharField(blank=True, max_length=20)),
                ('fields', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, help_text='the fields that the rows set', size=None)),
                ('name', models.CharField(blank=True, help_text="what people call it, such as the file's name", max_length=100)),
                ('sealed', models.BinaryField(null=True)),
                ('phase', models.CharField(choices=[('draft', 'not started'), ('started', 'started'), ('stopped', 'stopped')], default='draft', max_length=8)),
                ('price', models.JSONField(blank=True, null=True)),
                ('priced_at', models.DateTimeField(blank=True, null=True, verbose_name='priced')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started')),
                ('stopped_because', models.CharField(blank=True, max_length=200)),
                ('made_by', models.CharField(max_length=160)),
                ('made_in', models.CharField(blank=True, db_default='', default='', help_text='the run of the job that did it', max_length=40, verbose_name='prepared in')),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='upserts', to='tenants.app')),
            ],
            options={
                'verbose_name': 'bulk upsert',
                'permissions': [('download_upsert', 'May download the results of bulk upserts')],
                'indexes': [models.Index(fields=['tenant_id', '-id'], name='upsert_of_tenant'), models.Index(condition=models.Q(('made_in', ''), _negated=True), fields=['made_in'], name='upsert_by_run')],
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['Company', 'Location'])), name='upserts_upsert_level_known'), models.CheckConstraint(condition=models.Q(('phase__in', ['draft', 'started', 'stopped'])), name='upserts_upsert_phase_known')],
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
                ('done', models.PositiveIntegerField(default=0, help_text='rows that this run wrote or found unchanged')),
                ('upsert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='upserts.upsert')),
            ],
            options={
                'verbose_name': 'run of a bulk upsert',
                'verbose_name_plural': 'runs of bulk upserts',
                'indexes': [models.Index(condition=models.Q(('status', 'running')), fields=['due_at'], name='upsert_run_due'), models.Index(fields=['upsert', '-id'], name='upsert_run_latest'), models.Index(condition=models.Q(('status__in', ['running', 'failed', 'cancelled'])), fields=['status', 'finished_at'], name='upsert_run_not_complete'), models.Index(fields=['error_code', 'id'], name='upsert_run_by_error'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='upsert_run_by_trace_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled', 'unknown'])), name='upserts_run_status_known'), models.UniqueConstraint(condition=models.Q(('status', 'running')), fields=('upsert',), name='one_running_run_per_upsert'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), models.Q(('finished_at__isnull', False), _negated=True)), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='upserts_run_finished_or_running'), models.CheckConstraint(condition=models.Q(models.Q(('lease_owner', ''), models.Q(('lease_until__isnull', False), _negated=True)), models.Q(models.Q(('lease_owner', ''), _negated=True), ('lease_until__isnull', False)), _connector='OR'), name='upserts_run_lease_complete')],
            },
        ),
        migrations.CreateModel(
            name='UpsertRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(help_text='in the file, from 1, without the line of names', verbose_name='row')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('sent', 'sent'), ('done', 'done'), ('unchanged', 'unchanged'), ('invalid', 'invalid'), ('refused', 'refused'), ('unknown', 'unknown')], default='waiting', max_length=10)),
                ('body', models.TextField(blank=True, editable=False, help_text='parameters and body, encrypted')),
                ('record_id', models.CharField(blank=True, max_length=64)),
                ('created', models.BooleanField(help_text='whether HighLevel made a new one; empty: it did not say', null=True, verbose_name='made a new record')),
                ('status', models.PositiveIntegerField(help_text="of the vendor's answer", null=True, verbose_name='HTTP status')),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error', models.CharField(blank=True, help_text='why it was not written, or is unknown', max_length=300)),
                ('vendor_message', models.CharField(blank=True, help_text="the vendor's own words", max_length=300)),
                ('trace_id', models.CharField(blank=True, max_length=64)),
                ('vendor_answer', models.JSONField(blank=True, help_text='what HighLevel answered, redacted', null=True, verbose_name="HighLevel's answer")),
                ('times_sent', models.PositiveIntegerField(default=0)),
                ('sent_at', models.DateTimeField(blank=True, null=True, verbose_name='sent')),
                ('looked_up_at', models.DateTimeField(blank=True, null=True, verbose_name='looked up')),
                ('settled_at', models.DateTimeField(blank=True, null=True, verbose_name='settled')),
                ('upsert', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='upserts.upsert')),
            ],
            options={
                'verbose_name': 'row of a bulk upsert',
                'verbose_name_plural': 'rows of bulk upserts',
                'indexes': [models.Index(fields=['upsert', 'state', 'number'], name='upsert_row_by_state'), models.Index(condition=models.Q(('state', 'unknown')), fields=['settled_at'], name='upsert_row_unknown'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='upsert_row_by_trace_id'), models.Index(condition=models.Q(('record_id', ''), _negated=True), fields=['record_id'], name='upsert_row_by_record')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'sent', 'done', 'unchanged', 'invalid', 'refused', 'unknown'])), name='upserts_upsertrow_state_known'), models.UniqueConstraint(fields=('upsert', 'number'), name='each_upsert_row_once'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['sent', 'unknown']), _negated=True), ('sent_at__isnull', False), _connector='OR'), name='sent_upsert_row_has_its_moment'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'sent', 'unknown']), ('body', ''), _connector='OR'), name='settled_upsert_row_is_empty')],
            },
        ),
    ]
