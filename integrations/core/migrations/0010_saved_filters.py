import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0009_work_of_processes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedFilter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text='of the list: app and model', max_length=80)),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(blank=True, help_text='filters of the list, as its address has them', max_length=2000)),
                ('columns', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, help_text="of an export; none: the list's own", size=None)),
                ('form', models.CharField(default='csv', max_length=5, verbose_name='format')),
                ('is_shared', models.BooleanField(default=False, help_text='with all who may see the list', verbose_name='shared')),
                ('saved_at', models.DateTimeField()),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'permissions': [('export_lists', 'May download lists as files')],
                'indexes': [models.Index(condition=models.Q(('is_shared', True)), fields=['model'], name='shared_filters')],
                'constraints': [models.UniqueConstraint(fields=('model', 'owner', 'name'), name='each_filter_of_an_owner_once')],
            },
        ),
    ]
