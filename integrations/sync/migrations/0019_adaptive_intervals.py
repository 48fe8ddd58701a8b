import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0018_fields_and_filters'),
        ('tenants', '0010_name_of_changes'),
    ]

    operations = [
        migrations.AddField('plan', 'adapted_every', models.DurationField(blank=True, editable=False, help_text='that wait as it adapts to the location', null=True)),
        migrations.CreateModel(
            name='AdaptiveChoice',
            fields=[
                ('app', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='adaptive_choice', serialize=False, to='tenants.app')),
                ('enabled', models.BooleanField()),
                ('shortest', models.DurationField()),
                ('longest', models.DurationField()),
                ('calls_per_day', models.PositiveBigIntegerField(help_text='of all locations together')),
                ('due_at', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('computed_at', models.DateTimeField(blank=True, null=True)),
                ('planned_calls', models.PositiveBigIntegerField(blank=True, null=True)),
            ],
        ),
    ]
