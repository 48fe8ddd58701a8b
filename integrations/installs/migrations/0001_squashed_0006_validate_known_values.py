"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('installs', '0001_initial'), ('installs', '0002_consent_links'), ('installs', '0003_used_payloads'), ('installs', '0004_embedded_users'), ('installs', '0005_known_values'), ('installs', '0006_validate_known_values')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0015_validate_known_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='InstallState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('browser', models.BinaryField(max_length=32)),
                ('claimant', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('consumed_at', models.DateTimeField(blank=True, null=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='tenants.app')),
                ('installation', models.ForeignKey(blank=True, help_text='of a consent link: the account that is asked', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.installation')),
            ],
        ),
        migrations.CreateModel(
            name='EmbeddedVisit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8)),
                ('tenant_id', models.CharField(help_text="the location's or company's id", max_length=64)),
                ('user_id', models.CharField(help_text="HighLevel's id of the user", max_length=64)),
                ('is_admin', models.BooleanField(default=False)),
                ('is_agency', models.BooleanField(default=False, help_text='of the agency, and not of the location alone')),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.app')),
            ],
            options={
                'indexes': [models.Index(fields=['tenant_id', '-last_at'], name='embedded_users_of_tenant')],
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['Company', 'Location'])), name='installs_embeddedvisit_level_known'), models.UniqueConstraint(fields=('app', 'level', 'tenant_id', 'user_id'), name='each_embedded_user_once')],
            },
        ),
        migrations.CreateModel(
            name='UsedPayload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('salt', models.BinaryField(max_length=8)),
                ('used_at', models.DateTimeField(db_index=True)),
                ('app', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.app')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('app', 'salt'), name='each_sso_payload_once')],
            },
        ),
    ]
