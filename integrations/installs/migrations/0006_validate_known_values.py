# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('installs', '0005_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='embeddedvisit', name='installs_embeddedvisit_level_known'),
    ]
