from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built while rows are written

    dependencies = [
        ('outbox', '0004_expected_values'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='entry',
            index=models.Index(condition=models.Q(('found__isnull', False), ('state', 'conflict')), fields=['outbox', 'entity', 'id'], name='outbox_entry_of_changed_record'),
        ),
    ]
