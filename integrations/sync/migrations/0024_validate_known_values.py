# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0023_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='historyentry', name='sync_historyentry_what_known'),
        ValidateConstraint(model_name='historyentry', name='sync_historyentry_source_known'),
        ValidateConstraint(model_name='record', name='sync_record_deleted_by_known'),
        ValidateConstraint(model_name='run', name='sync_run_status_known'),
        ValidateConstraint(model_name='run', name='sync_run_kind_known'),
    ]
