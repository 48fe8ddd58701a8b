# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('exports', '0003_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='export', name='exports_export_form_known'),
        ValidateConstraint(model_name='run', name='exports_run_status_known'),
    ]
