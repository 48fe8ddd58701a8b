"""All tables of this app in one migration, for an empty database: one table made is quicker than one changed 20 times.

A database that has run some of the replaced migrations runs the rest of them instead (Django, `replaces`).
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('privacy', '0001_initial'), ('privacy', '0002_words_of_labels'), ('privacy', '0003_purge_mac'), ('privacy', '0004_known_values'), ('privacy', '0005_validate_known_values')]

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Purge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_type', models.CharField(choices=[('Company', 'Company'), ('Location', 'Location')], max_length=8)),
                ('tenant_id', models.CharField(db_index=True, help_text="the company's or location's id", max_length=64, verbose_name='tenant')),
                ('contact_id', models.CharField(blank=True, help_text="of a contact's purge; emptied at its end", max_length=64)),
                ('of_contact', models.BooleanField(default=False, verbose_name='of one contact')),
                ('locations', models.JSONField(default=list, help_text='locations of a company that are purged with it')),
                ('status', models.CharField(choices=[('waiting', 'waiting: can be cancelled'), ('running', 'running'), ('complete', 'complete'), ('cancelled', 'cancelled')], default='waiting', max_length=10)),
                ('requested_by', models.CharField(max_length=200)),
                ('requested_at', models.DateTimeField(verbose_name='requested')),
                ('begins_at', models.DateTimeField(help_text='end of the grace period', verbose_name='begins')),
                ('begun_at', models.DateTimeField(blank=True, null=True, verbose_name='begun')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('due_at', models.DateTimeField(blank=True, help_text='when a worker goes on with it', null=True)),
                ('stage', models.PositiveSmallIntegerField(default=0, help_text='kind of data that is next')),
                ('passes', models.PositiveIntegerField(default=0, help_text='how often all kinds were gone through')),
                ('found_in_pass', models.PositiveBigIntegerField(default=0)),
                ('counts', models.JSONField(default=dict, help_text='what was deleted, by kind of data')),
                ('note', models.CharField(blank=True, help_text='why it was cancelled, or what it waits for', max_length=300)),
                ('mac', models.BinaryField(null=True)),
                ('receipt', models.BigIntegerField(blank=True, help_text='number of the entry of the audit trail', null=True, verbose_name='entry of the audit trail')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='purge_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('user_type__in', ['Company', 'Location'])), name='privacy_purge_user_type_known'), models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'running', 'complete', 'cancelled'])), name='privacy_purge_status_known'), models.UniqueConstraint(condition=models.Q(('status__in', ['waiting', 'running'])), fields=('user_type', 'tenant_id', 'contact_id'), name='one_purge_at_a_time'), models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', False), ('status__in', ['waiting', 'running'])), models.Q(('contact_id', ''), ('due_at__isnull', True), ('status__in', ['complete', 'cancelled'])), _connector='OR'), name='ended_purge_is_not_due_and_names_nobody')],
            },
        ),
    ]
