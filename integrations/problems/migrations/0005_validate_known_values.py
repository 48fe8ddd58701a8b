# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('problems', '0004_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='problem', name='problems_problem_kind_known'),
    ]
