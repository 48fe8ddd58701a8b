"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('gateway', '0001_initial'), ('gateway', '0002_call_filters'), ('gateway', '0003_run_and_request_of_calls'), ('gateway', '0004_calls_by_run'), ('gateway', '0005_usage_totals'), ('gateway', '0006_words_of_labels'), ('gateway', '0007_known_values'), ('gateway', '0008_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='Call',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True, verbose_name='when')),
                ('resource_id', models.CharField(max_length=64, verbose_name='tenant')),
                ('operation', models.CharField(max_length=120)),
                ('job', models.CharField(blank=True, max_length=80)),
                ('run', models.CharField(blank=True, db_default='', default='', help_text='the run that made it', max_length=40)),
                ('lane', models.CharField(max_length=12)),
                ('slow', models.BooleanField(default=False)),
                ('status', models.PositiveSmallIntegerField(blank=True, help_text='empty: no answer', null=True)),
                ('code', models.CharField(blank=True, max_length=40, verbose_name='error code')),
                ('message', models.CharField(blank=True, max_length=300)),
                ('trace_id', models.CharField(blank=True, max_length=64)),
                ('took_ms', models.PositiveIntegerField(verbose_name='duration in ms')),
                ('method', models.CharField(max_length=7)),
                ('path', models.CharField(max_length=300)),
                ('query', models.JSONField(default=list)),
                ('body', models.JSONField(blank=True, null=True)),
                ('response', models.JSONField(blank=True, null=True)),
                ('request_sealed', models.BinaryField(help_text='what was sent (`stats.sent_request`)', null=True)),
                ('app', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='tenants.app')),
            ],
            options={
                'verbose_name': 'failed or slow call',
                'permissions': [('explore', 'May call the API by hand, in the call explorer')],
                'indexes': [models.Index(fields=['resource_id', 'id'], name='call_by_resource_id'), models.Index(fields=['operation', 'id'], name='call_by_operation'), models.Index(fields=['status', 'id'], name='call_by_status'), models.Index(fields=['code', 'id'], name='call_by_code'), models.Index(fields=['job', 'id'], name='call_by_job'), models.Index(fields=['trace_id'], name='call_by_trace_id'), models.Index(condition=models.Q(('run', ''), _negated=True), fields=['run'], name='call_by_run')],
            },
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('span', models.PositiveSmallIntegerField(choices=[(60, 'minute'), (3600, 'hour')])),
                ('at', models.DateTimeField(help_text='when the span begins', verbose_name='from')),
                ('resource_id', models.CharField(max_length=64, verbose_name='company or location id')),
                ('operation', models.CharField(max_length=120)),
                ('job', models.CharField(blank=True, help_text='empty: a page or a command', max_length=80)),
                ('lane', models.CharField(max_length=12)),
                ('code', models.CharField(blank=True, max_length=40)),
                ('calls', models.BigIntegerField()),
                ('spent', models.BigIntegerField()),
                ('took_ms', models.BigIntegerField(help_text='in all, those without an answer included', verbose_name='duration in ms')),
                ('slowest_ms', models.IntegerField(verbose_name='slowest in ms')),
                ('buckets', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='gateway.histogram', size=16)),
                ('app', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='tenants.app')),
            ],
            options={
                'verbose_name': 'API usage',
                'verbose_name_plural': 'API usage',
                'indexes': [models.Index(fields=['resource_id', 'at'], name='usage_of_tenant')],
                'constraints': [models.CheckConstraint(condition=models.Q(('span__in', [60, 3600])), name='gateway_usage_span_known'), models.UniqueConstraint(fields=('span', 'at', 'app', 'resource_id', 'operation', 'job', 'lane', 'code'), name='one_usage_line')],
            },
        ),
        migrations.CreateModel(
            name='UsageTotal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('span', models.PositiveSmallIntegerField(choices=[(1800, 'half an hour'), (10800, 'three hours')])),
                ('at', models.DateTimeField(help_text='when the span begins')),
                ('operation', models.CharField(max_length=120)),
                ('job', models.CharField(blank=True, max_length=80)),
                ('lane', models.CharField(max_length=12)),
                ('code', models.CharField(blank=True, max_length=40)),
                ('calls', models.BigIntegerField()),
                ('spent', models.BigIntegerField()),
                ('slowest_ms', models.IntegerField()),
                ('buckets', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), help_text='gateway.histogram', size=16)),
                ('app', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='tenants.app')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('span__in', [1800, 10800])), name='gateway_usagetotal_span_known'), models.UniqueConstraint(fields=('span', 'at', 'app', 'operation', 'job', 'lane', 'code'), name='one_usage_total')],
            },
        ),
    ]
