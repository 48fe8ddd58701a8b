"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('tokens', '0001_initial'), ('tokens', '0002_api_and_trouble'), ('tokens', '0003_granted_at'), ('tokens', '0004_credential_states'), ('tokens', '0005_help_texts'), ('tokens', '0006_disconnected_at'), ('tokens', '0007_doubted_at'), ('tokens', '0008_orders_and_spent_names'), ('tokens', '0009_words_of_labels'), ('tokens', '0010_known_values'), ('tokens', '0011_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpentName',
            fields=[
                ('name', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('spent_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_type', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='token of a')),
                ('resource_id', models.CharField(max_length=64, verbose_name='company or location id')),
                ('api', models.PositiveSmallIntegerField(choices=[(1, 'API 1.0'), (2, 'API 2.0 and v3')], default=2, verbose_name='API')),
                ('company_id', models.CharField(blank=True, help_text='id of the company whose token can mint this one', max_length=64, verbose_name='company that mints it')),
                ('kind', models.CharField(choices=[('oauth', 'OAuth (API 2.0)'), ('private', 'private integration token'), ('key', 'API 1.0 key')], default='oauth', max_length=8)),
                ('state', models.CharField(choices=[('active', 'active'), ('suspended', 'suspended: location inactive, tokens kept'), ('needs_reconnect', 'needs reconnect'), ('revoked', 'revoked: uninstalled, tokens wiped')], default='active', max_length=16)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('generation', models.PositiveBigIntegerField(default=1)),
                ('access_sealed', models.BinaryField(null=True)),
                ('refresh_sealed', models.BinaryField(null=True)),
                ('scopes', models.TextField(blank=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('refresh_due_at', models.DateTimeField(blank=True, null=True)),
                ('lease_owner', models.CharField(blank=True, max_length=64, verbose_name='leased by')),
                ('lease_until', models.DateTimeField(blank=True, null=True, verbose_name='leased until')),
                ('intent_generation', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='refresh of generation')),
                ('intent_at', models.DateTimeField(blank=True, null=True)),
                ('rejected_generation', models.PositiveBigIntegerField(blank=True, help_text="the vendor answered 401 to this generation's access token", null=True, verbose_name='refused generation')),
                ('doubted_at', models.DateTimeField(blank=True, help_text='when a 401 of unknown meaning last led to a question about the access token', null=True, verbose_name='last asked about')),
                ('ordered', models.CharField(blank=True, choices=[('', 'nothing'), ('refresh', 'refresh, due or not'), ('mint', "mint from the company's token")], db_default='', default='', max_length=8)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('last_error', models.CharField(blank=True, max_length=300)),
                ('last_error_code', models.CharField(blank=True, max_length=40, verbose_name='last error code')),
                ('last_error_at', models.DateTimeField(blank=True, null=True, verbose_name='last error')),
                ('last_trace_id', models.CharField(blank=True, max_length=100, verbose_name='trace id of the last error')),
                ('refreshed_at', models.DateTimeField(blank=True, null=True)),
                ('granted_at', models.DateTimeField(blank=True, help_text='when an installation or an operator last brought a token; refreshes have only renewed it since', null=True)),
                ('disconnected_at', models.DateTimeField(blank=True, help_text='since when it needs a reconnect; empty once a new token came', null=True)),
                ('created_at', models.DateTimeField()),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credentials', to='tenants.app')),
            ],
            options={
                'indexes': [models.Index(fields=['refresh_due_at'], name='credential_due'), models.Index(fields=['lease_until'], name='credential_lease'), models.Index(condition=models.Q(('last_error_code', ''), _negated=True), fields=['app', 'last_error_code'], name='credential_trouble')],
                'constraints': [models.CheckConstraint(condition=models.Q(('user_type__in', ['Company', 'Location'])), name='tokens_credential_user_type_known'), models.CheckConstraint(condition=models.Q(('api__in', [1, 2])), name='tokens_credential_api_known'), models.CheckConstraint(condition=models.Q(('kind__in', ['oauth', 'private', 'key'])), name='tokens_credential_kind_known'), models.CheckConstraint(condition=models.Q(('state__in', ['active', 'suspended', 'needs_reconnect', 'revoked'])), name='tokens_credential_state_known'), models.CheckConstraint(condition=models.Q(('ordered__in', ['', 'refresh', 'mint'])), name='tokens_credential_ordered_known'), models.UniqueConstraint(fields=('app', 'user_type', 'resource_id', 'api'), name='one_credential_per_resource'), models.CheckConstraint(condition=models.Q(('lease_owner', ''), ('lease_until__isnull', False), _connector='OR'), name='credential_lease_owner_has_deadline'), models.CheckConstraint(condition=models.Q(models.Q(('intent_at__isnull', True), ('intent_generation__isnull', True)), models.Q(('intent_at__isnull', False), ('intent_generation__isnull', False)), _connector='OR'), name='credential_intent_is_whole'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'revoked'), _negated=True), models.Q(('access_sealed__isnull', True), ('refresh_sealed__isnull', True)), _connector='OR'), name='credential_revoked_has_no_token')],
            },
        ),
    ]
