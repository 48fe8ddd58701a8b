"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('outbox', '0001_initial'), ('outbox', '0002_trace_ids'), ('outbox', '0003_sealed_entries'), ('outbox', '0004_expected_values'), ('outbox', '0005_entries_of_changed_records'), ('outbox', '0006_words_of_labels'), ('outbox', '0007_pause_mac'), ('outbox', '0008_who_put_it'), ('outbox', '0009_index_who_put_it'), ('outbox', '0010_known_values'), ('outbox', '0011_validate_known_values'), ('outbox', '0012_answers_of_refusals'), ('outbox', '0013_calls_for_replays'), ('outbox', '0014_index_of_kept_calls')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='TenantOutbox',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('enabled', models.BooleanField(default=True, verbose_name='switched on')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next run')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('level', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='company or location')),
                ('tenant_id', models.CharField(help_text="the location's or company's id", max_length=64, verbose_name='tenant')),
                ('mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='outboxes', to='tenants.app')),
            ],
            options={
                'verbose_name': 'outbox',
                'verbose_name_plural': 'outboxes',
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['Company', 'Location'])), name='outbox_tenantoutbox_level_known'), models.UniqueConstraint(fields=('app', 'level', 'tenant_id'), name='one_outbox_per_tenant')],
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
                ('done', models.PositiveIntegerField(default=0, help_text='entries that were sent')),
                ('outbox', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='outbox.tenantoutbox')),
            ],
            options={
                'verbose_name': 'outbox run',
                'indexes': [models.Index(condition=models.Q(('status', 'running')), fields=['due_at'], name='outbox_run_due'), models.Index(fields=['outbox', '-id'], name='outbox_run_latest'), models.Index(condition=models.Q(('status__in', ['running', 'failed', 'cancelled'])), fields=['status', 'finished_at'], name='outbox_run_not_complete'), models.Index(fields=['error_code', 'id'], name='outbox_run_by_error'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='outbox_run_by_trace_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['running', 'complete', 'failed', 'cancelled', 'unknown'])), name='outbox_run_status_known'), models.UniqueConstraint(condition=models.Q(('status', 'running')), fields=('outbox',), name='one_running_run_per_outbox'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), models.Q(('finished_at__isnull', False), _negated=True)), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='outbox_run_finished_or_running'), models.CheckConstraint(condition=models.Q(models.Q(('lease_owner', ''), models.Q(('lease_until__isnull', False), _negated=True)), models.Q(models.Q(('lease_owner', ''), _negated=True), ('lease_until__isnull', False)), _connector='OR'), name='outbox_run_lease_complete')],
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity', models.CharField(help_text="what the call changes, such as a contact's id", max_length=200)),
                ('key', models.CharField(help_text='the same key is sent once', max_length=200)),
                ('operation', models.CharField(max_length=200)),
                ('version', models.CharField(blank=True, max_length=20)),
                ('lane', models.CharField(choices=[('interactive', 'interactive'), ('events', 'events'), ('bulk', 'bulk')], max_length=12)),
                ('params', models.JSONField(default=dict, help_text='emptied OUTBOX_REPLAY_DAYS after it is done')),
                ('body', models.JSONField(blank=True, help_text='likewise', null=True)),
                ('expected', models.JSONField(blank=True, help_text='fields of the record as the app knows them', null=True)),
                ('found', models.JSONField(blank=True, help_text="the vendor's values of those that differ, if some do", null=True)),
                ('fingerprint', models.CharField(help_text='SHA-256 of operation, version, parameters and body', max_length=64)),
                ('sealed', models.BinaryField(null=True)),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('sent', 'sent'), ('done', 'done'), ('unknown', 'unknown'), ('rejected', 'rejected'), ('conflict', 'conflict'), ('discarded', 'discarded')], default='waiting', max_length=10)),
                ('answer', models.JSONField(blank=True, null=True)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error', models.CharField(blank=True, help_text='why it was rejected, or why its fate is unknown', max_length=300)),
                ('trace_id', models.CharField(blank=True, max_length=64)),
                ('vendor_answer', models.JSONField(blank=True, help_text='what HighLevel answered, redacted', null=True, verbose_name="HighLevel's answer")),
                ('put_in', models.CharField(blank=True, db_default='', default='', help_text='the run or webhook whose work put it, if one did', max_length=40)),
                ('created_at', models.DateTimeField(verbose_name='put')),
                ('sent_at', models.DateTimeField(blank=True, null=True, verbose_name='sent')),
                ('settled_at', models.DateTimeField(blank=True, null=True, verbose_name='settled')),
                ('outbox', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='outbox.tenantoutbox')),
            ],
            options={
                'verbose_name': 'outbox entry',
                'verbose_name_plural': 'outbox entries',
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['outbox', 'id'], name='outbox_entry_waiting'), models.Index(condition=models.Q(('state__in', ['sent', 'unknown', 'rejected'])), fields=['outbox', 'entity', 'id'], name='outbox_entry_holding'), models.Index(condition=models.Q(('found__isnull', False), ('state', 'conflict')), fields=['outbox', 'entity', 'id'], name='outbox_entry_of_changed_record'), models.Index(condition=models.Q(('state', 'done'), _negated=True), fields=['state', 'id'], name='outbox_entry_open'), models.Index(fields=['settled_at'], name='outbox_entry_settled'), models.Index(condition=models.Q(('sealed__isnull', False), ('state', 'done')), fields=['settled_at'], name='outbox_entry_call_kept'), models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='outbox_entry_by_trace_id'), models.Index(condition=models.Q(('put_in', ''), _negated=True), fields=['put_in'], name='outbox_entry_by_put_in')],
                'constraints': [models.CheckConstraint(condition=models.Q(('lane__in', ['interactive', 'events', 'bulk'])), name='outbox_entry_lane_known'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'sent', 'done', 'unknown', 'rejected', 'conflict', 'discarded'])), name='outbox_entry_state_known'), models.UniqueConstraint(condition=models.Q(('state', 'conflict'), _negated=True), fields=('outbox', 'key'), name='one_entry_per_key_and_outbox'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'conflict', 'discarded', 'rejected', 'done']), ('sent_at__isnull', False), _connector='OR'), name='sent_entry_has_its_moment')],
            },
        ),
    ]
