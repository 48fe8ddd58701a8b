# Apart from the migration that adds the constraint: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0006_record_evidence'),
    ]

    operations = [
        ValidateConstraint(model_name='record', name='sync_record_tombstone_proven'),
    ]
