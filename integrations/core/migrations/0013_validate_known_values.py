# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0012_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='bulkaction', name='core_bulkaction_status_known'),
    ]
