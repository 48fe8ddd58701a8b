# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0010_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='entry', name='outbox_entry_lane_known'),
        ValidateConstraint(model_name='entry', name='outbox_entry_state_known'),
        ValidateConstraint(model_name='run', name='outbox_run_status_known'),
        ValidateConstraint(model_name='tenantoutbox', name='outbox_tenantoutbox_level_known'),
    ]
