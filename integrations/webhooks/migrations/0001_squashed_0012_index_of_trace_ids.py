"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('webhooks', '0001_initial'), ('webhooks', '0002_retention_and_answers'), ('webhooks', '0003_deaths_and_answers_not_here'), ('webhooks', '0004_deaths_help_text'), ('webhooks', '0005_failed_attempts'), ('webhooks', '0006_trace_parent'), ('webhooks', '0007_event_mac'), ('webhooks', '0008_words_of_labels'), ('webhooks', '0009_known_values'), ('webhooks', '0010_validate_known_values'), ('webhooks', '0011_answers_of_refusals'), ('webhooks', '0012_index_of_trace_ids')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='Mailbox',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant', models.CharField(help_text='location:<id>, company:<id> or app', max_length=80)),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next turn')),
                ('lease_owner', models.CharField(blank=True, max_length=64, verbose_name='leased by')),
                ('lease_until', models.DateTimeField(blank=True, null=True, verbose_name='leased until')),
                ('alone', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='how many of the next events are handled one at a time', verbose_name='events handled one at a time')),
                ('in_hand', models.BigIntegerField(blank=True, help_text='the event that a worker handles alone', null=True, verbose_name='event handled now')),
                ('deaths', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='workers that died while they handled that event alone', verbose_name='workers that died on it')),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mailboxes', to='tenants.app')),
            ],
            options={
                'verbose_name_plural': 'mailboxes',
                'constraints': [models.UniqueConstraint(fields=('app', 'tenant'), name='one_mailbox_per_tenant')],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('webhook_id', models.CharField(max_length=100)),
                ('type', models.CharField(max_length=80)),
                ('occurred_at', models.DateTimeField(help_text="the vendor's timestamp, for ordering", verbose_name='sent by HighLevel')),
                ('received_at', models.DateTimeField(db_index=True, verbose_name='received')),
                ('payload', models.JSONField()),
                ('status', models.CharField(choices=[('pending', 'pending'), ('done', 'done'), ('ignored', 'no handler'), ('poisoned', 'stepped aside after its retries')], default='pending', max_length=10)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('due_at', models.DateTimeField(verbose_name='next try')),
                ('processed_at', models.DateTimeField(blank=True, null=True, verbose_name='processed')),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('trace_parent', models.CharField(blank=True, db_default='', default='', editable=False, max_length=55)),
                ('mac', models.BinaryField(null=True)),
                ('app', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='tenants.app')),
                ('mailbox', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='webhooks.mailbox')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'pending')), fields=['mailbox', 'occurred_at', 'id'], name='event_pending'), models.Index(condition=models.Q(('status__in', ['pending', 'poisoned'])), fields=['status', 'received_at'], name='event_unsettled'), models.Index(fields=['app', 'received_at'], name='event_latest_of_app'), models.Index(fields=['mailbox', 'received_at'], name='event_latest_of_tenant'), models.Index(fields=['type', 'received_at'], name='event_latest_of_type')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'done', 'ignored', 'poisoned'])), name='webhooks_event_status_known'), models.UniqueConstraint(fields=('app', 'webhook_id'), name='each_webhook_once')],
            },
        ),
        migrations.CreateModel(
            name='Answers',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('stored', models.PositiveBigIntegerField(default=0)),
                ('duplicate', models.PositiveBigIntegerField(default=0)),
                ('not_here', models.PositiveBigIntegerField(db_default=0, default=0, verbose_name='200, for an app that is not here')),
                ('unsigned', models.PositiveBigIntegerField(default=0, verbose_name='401, not signed by the vendor')),
                ('malformed', models.PositiveBigIntegerField(default=0, verbose_name='400, malformed')),
                ('too_large', models.PositiveBigIntegerField(default=0, verbose_name='413, too large')),
                ('not_stored', models.PositiveBigIntegerField(default=0, verbose_name='429, could not be stored')),
                ('failed', models.PositiveBigIntegerField(default=0, verbose_name='500, a fault of ours')),
                ('app', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.app')),
            ],
            options={
                'verbose_name': 'answers',
                'verbose_name_plural': 'answers',
                'constraints': [models.UniqueConstraint(fields=('day', 'app'), name='one_line_of_answers_a_day', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='FailedAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(help_text='counts from 1, and again from 1 when the event is processed again')),
                ('at', models.DateTimeField(db_index=True, verbose_name='when')),
                ('error_code', models.CharField(max_length=40)),
                ('error', models.CharField(blank=True, max_length=300)),
                ('trace_id', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('vendor_answer', models.JSONField(blank=True, help_text='what HighLevel answered, redacted', null=True, verbose_name="HighLevel's answer")),
                ('next_at', models.DateTimeField(blank=True, help_text='empty: the event stepped aside', null=True, verbose_name='next try')),
                ('event', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='failed_attempts', to='webhooks.event')),
            ],
            options={
                'verbose_name': 'failed attempt of an event',
                'verbose_name_plural': 'failed attempts of events',
                'indexes': [models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='failed_attempt_by_trace_id')],
            },
        ),
    ]
