# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('quota', '0006_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='parked', name='quota_parked_lane_known'),
        ValidateConstraint(model_name='parked', name='quota_parked_state_known'),
    ]
