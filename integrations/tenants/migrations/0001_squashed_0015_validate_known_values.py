"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('tenants', '0001_initial'), ('tenants', '0002_lost_client_secret'), ('tenants', '0003_installation_states'), ('tenants', '0004_help_texts'), ('tenants', '0005_installation_facts'), ('tenants', '0006_installation_history'), ('tenants', '0007_versions_and_links'), ('tenants', '0008_installation_kind'), ('tenants', '0009_reading_and_sync'), ('tenants', '0010_name_of_changes'), ('tenants', '0011_change_mac'), ('tenants', '0012_words_of_labels'), ('tenants', '0013_notes'), ('tenants', '0014_known_values'), ('tenants', '0015_validate_known_values')]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Company',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(verbose_name='first seen')),
            ],
            options={
                'verbose_name_plural': 'companies',
            },
        ),
        migrations.CreateModel(
            name='App',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('client_id', models.CharField(help_text='<app id>-<suffix>, from the portal', max_length=128, unique=True)),
                ('highlevel_id', models.CharField(db_index=True, help_text='the part before the first dash', max_length=64, verbose_name='app id')),
                ('version_id', models.CharField(blank=True, max_length=64, verbose_name='id of the version')),
                ('dialect', models.CharField(choices=[('v2', 'API 2.0'), ('v3', 'v3')], default='v2', max_length=2)),
                ('scopes', models.TextField(blank=True, help_text='separated by spaces')),
                ('api_url', models.CharField(max_length=200, validators=[django.core.validators.URLValidator(schemes=['https', 'http'])], verbose_name='address of the API')),
                ('marketplace_url', models.CharField(max_length=200, validators=[django.core.validators.URLValidator(schemes=['https', 'http'])], verbose_name='address of the marketplace')),
                ('install_url', models.CharField(blank=True, db_default='', default='', help_text='the whole install link, as the portal shows it', max_length=2000, validators=[django.core.validators.URLValidator(schemes=['https', 'http'])], verbose_name='install link')),
                ('white_label_urls', models.TextField(blank=True, db_default='', default='', help_text='more marketplace hosts, separated by spaces', verbose_name='white-label addresses')),
                ('client_secret_sealed', models.BinaryField(blank=True, null=True)),
                ('shared_secret_sealed', models.BinaryField(blank=True, null=True)),
                ('secret_generation', models.PositiveIntegerField(default=1, verbose_name='number of the client secret')),
                ('halted_at', models.DateTimeField(blank=True, null=True, verbose_name='refreshes halted, after a refusal of id or secret')),
                ('halted_reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('created_at', models.DateTimeField(verbose_name='added')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('dialect__in', ['v2', 'v3'])), name='tenants_app_dialect_known')],
            },
        ),
        migrations.CreateModel(
            name='Location',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('stated_at', models.DateTimeField(blank=True, null=True, verbose_name='name and company as of')),
                ('created_at', models.DateTimeField(verbose_name='first seen')),
                ('company', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='locations', to='tenants.company')),
            ],
        ),
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_type', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='installed for')),
                ('resource_id', models.CharField(db_index=True, max_length=64, verbose_name='company or location id')),
                ('status', models.CharField(choices=[('pending', 'pending'), ('installed', 'installed'), ('uninstalled', 'uninstalled')], default='pending', max_length=12)),
                ('kind', models.CharField(choices=[('oauth', 'OAuth (API 2.0)'), ('private', 'private integration token'), ('key', 'API 1.0 key')], db_default='oauth', default='oauth', help_text='the kind of credential that it works with', max_length=8, verbose_name='credential')),
                ('origin', models.CharField(choices=[('app', 'our install page'), ('marketplace', 'the marketplace'), ('bulk', 'a bulk install'), ('event', 'an INSTALL event'), ('operator', 'a token that an operator entered')], max_length=12)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('claimed_at', models.DateTimeField(blank=True, help_text='empty: only operators see it', null=True, verbose_name='claimed')),
                ('claimed_by', models.CharField(blank=True, max_length=200)),
                ('is_bulk', models.BooleanField(default=False, verbose_name='installed in bulk')),
                ('install_to_future', models.BooleanField(default=False, verbose_name='installs on future locations')),
                ('version_id', models.CharField(blank=True, max_length=64, verbose_name='app version')),
                ('plan_id', models.CharField(blank=True, max_length=64, verbose_name='id of the price plan')),
                ('installer_id', models.CharField(blank=True, max_length=64, verbose_name='id of the user who installed it')),
                ('on_trial', models.BooleanField(blank=True, help_text='empty: not said', null=True, verbose_name='is on trial')),
                ('trial_days', models.PositiveIntegerField(blank=True, help_text='length of the trial', null=True)),
                ('trial_started_at', models.DateTimeField(blank=True, null=True)),
                ('white_label', models.BooleanField(blank=True, help_text='empty: not said', null=True)),
                ('white_label_domain', models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='white-label domain')),
                ('white_label_logo', models.CharField(blank=True, db_default='', default='', max_length=500)),
                ('external_auth', models.CharField(blank=True, db_default='', default='', help_text='oauth2 or basic: its users connected an account', max_length=20, verbose_name='kind of account connected')),
                ('external_auth_at', models.DateTimeField(blank=True, null=True, verbose_name='account connected')),
                ('installer', models.JSONField(db_default={}, default=dict, help_text='what the vendor says of the installer: e-mail, owner, plan of the agency')),
                ('installer_asked_at', models.DateTimeField(blank=True, null=True)),
                ('payment_status', models.CharField(blank=True, db_default='', default='', help_text="of the app's own price: COMPLETE, FAILED, PENDING", max_length=20)),
                ('details_at', models.DateTimeField(blank=True, help_text='time of the newest notice with version, plan, trial or white label', null=True)),
                ('detail_times', models.JSONField(db_default={}, default=dict, help_text='the same for each of them')),
                ('first_synced_at', models.DateTimeField(blank=True, null=True, verbose_name='first sync complete')),
                ('status_at', models.DateTimeField(verbose_name='last installed or uninstalled')),
                ('announced_at', models.DateTimeField(blank=True, help_text="newest INSTALL or UPDATE event, by the vendor's clock", null=True)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True, verbose_name='last proven installed, by our clock')),
                ('changed_at', models.DateTimeField(blank=True, help_text='when its status changed, by our clock', null=True)),
                ('removed_at', models.DateTimeField(blank=True, help_text='when an operator removed it here', null=True)),
                ('revision', models.PositiveBigIntegerField(default=0, help_text='counts the notices about it')),
                ('doubt', models.CharField(blank=True, choices=[('event', 'an UNINSTALL event whose order is unclear'), ('unlisted', "missing from its company's list"), ('vanished', "missing from its company's list with many others"), ('revoked', "its company's grant was revoked"), ('moved', 'it belongs to another company now'), ('rival', "another company's list has it, too")], max_length=12, verbose_name='in doubt')),
                ('agencies_asked_to', models.BigIntegerField(default=0, help_text='companies up to this id were asked whether the location is theirs')),
                ('braked_at', models.DateTimeField(blank=True, null=True, verbose_name='locations missing since')),
                ('missing', models.PositiveIntegerField(default=0, verbose_name="locations missing from HighLevel's list")),
                ('released_at', models.DateTimeField(blank=True, help_text='when an operator let the missing ones go', null=True)),
                ('reconcile_due_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='next comparison')),
                ('reconciled_at', models.DateTimeField(blank=True, null=True, verbose_name='last compared with HighLevel')),
                ('reading', models.JSONField(blank=True, help_text="how far the reading of the company's list has come, while it is under way", null=True)),
                ('listed_at', models.DateTimeField(blank=True, help_text="begin of the newest reading of its company's list that has the location", null=True)),
                ('sync_due_at', models.DateTimeField(blank=True, help_text='when its sync plans are to be made or deleted', null=True)),
                ('created_at', models.DateTimeField()),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='installations', to='tenants.app')),
                ('company', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='tenants.company')),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='tenants.installation')),
                ('rival', models.ForeignKey(blank=True, help_text='another company whose list has the location too', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.installation')),
                ('location', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='tenants.location')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('sync_due_at__isnull', False)), fields=['sync_due_at'], name='installation_sync_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('user_type__in', ['Company', 'Location'])), name='tenants_installation_user_type_known'), models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'installed', 'uninstalled'])), name='tenants_installation_status_known'), models.CheckConstraint(condition=models.Q(('kind__in', ['oauth', 'private', 'key'])), name='tenants_installation_kind_known'), models.CheckConstraint(condition=models.Q(('origin__in', ['app', 'marketplace', 'bulk', 'event', 'operator'])), name='tenants_installation_origin_known'), models.CheckConstraint(condition=models.Q(('doubt__in', ['', 'event', 'unlisted', 'vanished', 'revoked', 'moved', 'rival'])), name='tenants_installation_doubt_known'), models.UniqueConstraint(fields=('app', 'user_type', 'resource_id'), name='one_installation_per_resource'), models.CheckConstraint(condition=models.Q(models.Q(('claimed_at__isnull', True), ('claimed_by', '')), models.Q(('claimed_at__isnull', False), models.Q(('claimed_by', ''), _negated=True)), _connector='OR'), name='installation_claim_is_complete'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'uninstalled'), _negated=True), models.Q(('claimed_at__isnull', True), ('reconcile_due_at__isnull', True)), _connector='OR'), name='uninstalled_is_unclaimed_and_not_due'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'uninstalled'), _negated=True), models.Q(('braked_at__isnull', True), ('doubt', '')), _connector='OR'), name='uninstalled_is_not_in_doubt')],
            },
        ),
        migrations.CreateModel(
            name='TenantNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8, verbose_name='company or location')),
                ('tenant_id', models.CharField(help_text="the location's or company's id", max_length=64, verbose_name='tenant')),
                ('text', models.CharField(max_length=2000, verbose_name='note')),
                ('made_by', models.CharField(max_length=160, verbose_name='written by')),
                ('created_at', models.DateTimeField(verbose_name='written')),
            ],
            options={
                'verbose_name': 'note on a tenant',
                'verbose_name_plural': 'notes on tenants',
                'indexes': [models.Index(fields=['tenant_id', '-id'], name='note_of_tenant')],
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['Company', 'Location'])), name='tenants_tenantnote_level_known')],
            },
        ),
        migrations.CreateModel(
            name='AppVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version_id', models.CharField(max_length=64, verbose_name='id of the version')),
                ('number', models.CharField(blank=True, help_text='from the portal, such as 2.1.0', max_length=30)),
                ('scopes', models.TextField(blank=True, help_text='that this version asks for, from the portal; separated by spaces')),
                ('deprecated_at', models.DateTimeField(blank=True, help_text='when HighLevel uninstalls every installation of this version; from the portal', null=True, verbose_name='ends')),
                ('reason', models.CharField(blank=True, help_text='the reason that the portal shows to users', max_length=300)),
                ('entered_at', models.DateTimeField(blank=True, help_text='when an installation last began with this version or moved to it', null=True, verbose_name='last installed')),
                ('created_at', models.DateTimeField(verbose_name='first seen')),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='tenants.app')),
            ],
            options={
                'verbose_name': 'app version',
                'constraints': [models.UniqueConstraint(fields=('app', 'version_id'), name='one_row_per_app_version')],
            },
        ),
        migrations.CreateModel(
            name='InstallationChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('generation', models.PositiveIntegerField(help_text='of the installation: a new install begins a new one')),
                ('what', models.CharField(choices=[('installed', 'installed'), ('claimed', 'claimed'), ('updated', 'app version'), ('scopes_changed', 'scopes'), ('disconnected', 'disconnected'), ('reconnected', 'reconnected'), ('uninstalled', 'uninstalled'), ('first_sync_complete', 'first sync complete'), ('plan_changed', 'plan'), ('trial_changed', 'trial'), ('white_label_changed', 'white label'), ('renamed', 'name'), ('moved', 'company'), ('external_auth_connected', 'external account connected'), ('payment_status_changed', 'payment status'), ('consent_asked', 'answer to a consent link')], max_length=24)),
                ('at', models.DateTimeField(help_text="the vendor's time of an event, ours of anything else", verbose_name='when')),
                ('old', models.JSONField(blank=True, null=True)),
                ('new', models.JSONField(blank=True, null=True)),
                ('event_id', models.CharField(blank=True, help_text='of the webhook that said so', max_length=100, verbose_name='webhook id')),
                ('recorded_at', models.DateTimeField(verbose_name='recorded')),
                ('due_at', models.DateTimeField(blank=True, help_text='while functions are to be called for it', null=True, verbose_name='next call of its hooks')),
                ('delivered', models.JSONField(default=list, help_text='the functions that were called for it')),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('error', models.CharField(blank=True, help_text='why a function failed', max_length=300)),
                ('mac', models.BinaryField(null=True)),
                ('installation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='tenants.installation')),
            ],
            options={
                'verbose_name': 'change of an installation',
                'verbose_name_plural': 'changes of installations',
                'indexes': [models.Index(fields=['installation', '-id'], name='change_of_installation'), models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='change_due'), models.Index(condition=models.Q(('due_at__isnull', False)), fields=['installation'], name='change_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(('what__in', ['installed', 'claimed', 'updated', 'scopes_changed', 'disconnected', 'reconnected', 'uninstalled', 'first_sync_complete', 'plan_changed', 'trial_changed', 'white_label_changed', 'renamed', 'moved', 'external_auth_connected', 'payment_status_changed', 'consent_asked'])), name='tenants_installationchange_what_known')],
            },
        ),
    ]
