# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0016_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='run', name='jobs_run_status_known'),
        ValidateConstraint(model_name='schedule', name='jobs_schedule_level_known'),
        ValidateConstraint(model_name='write', name='jobs_write_state_known'),
    ]
