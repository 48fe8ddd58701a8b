# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0004_run_states'),
    ]

    operations = [
        ValidateConstraint(model_name='run', name='sync_run_finished_or_running'),
        ValidateConstraint(model_name='run', name='sync_run_lease_complete'),
    ]
